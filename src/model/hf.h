/* hf.h - what the Hugging Face reader and the converter share: config.json and
 * tensor names in both directions, tokenizer.json. For the room and its tests. */
#ifndef MODEL_HF_H
#define MODEL_HF_H

#include <jansson.h>

#include "base/status.h"
#include "model/config.h"
#include "token/tokenizer.h"

#define HF_MAX_NAME 96           /* longest mapped tensor name, with its NUL */

/* Fill *c (zeroed before) from the value of a config.json; c->name stays
 * empty. E_FORMAT and E_LIMIT name the field; E_UNSUPPORTED names what this
 * program does not compute. The result still goes through config_check. */
status hf_config_parse(config *c, const json_t *json, const char *where, errtext *err);

/* The config.json of a model, with the keys that transformers 4 and 5 read;
 * the caller owns *out. bos, eos and pad are left out where negative.
 * E_UNSUPPORTED when its rope factors follow no scaling that the format has. */
status hf_config_write(json_t **out, const config *c, const char *torch_dtype, int bos,
                       int eos, int pad, errtext *err);

/* Tensor names. False when the name has no counterpart. Layer and expert
 * numbers are carried over unchecked, up to six digits. */
bool hf_name_to_gguf(char out[HF_MAX_NAME], const char *hf);
bool hf_name_from_gguf(char out[HF_MAX_NAME], const char *gguf);

/* Match a name against a pattern in which '#' stands for a number without
 * leading zeros; stores up to two numbers. */
bool hf_name_match(const char *pattern, const char *name, int number[2]);

/* The tokenizer.json of a vocabulary; the caller owns *out. `where` opens every
 * message: E_FORMAT names the token or merge at fault, E_UNSUPPORTED a splitter
 * that has no pipeline here. */
status hf_tokenizer_write(json_t **out, const vocab_spec *v, const char *where, errtext *err);

/* The tokenizer_config.json beside it; chat_template may be NULL. Its token
 * texts were found to be UTF-8 by hf_tokenizer_write. The caller owns it. */
json_t *hf_tokenizer_config(const vocab_spec *v, int n_ctx, const char *chat_template);

#endif
