/* metadata.h - what a GGUF file says of the model in it, for whoever writes one. */
#ifndef MODEL_METADATA_H
#define MODEL_METADATA_H

#include "model/gguf.h"
#include "model/weights.h"

/* Set the keys that describe w: all of its own where it came from a GGUF file
 * (but those about the file), else config, vocabulary and chat template. `type`
 * is that of the matrices in the new file; keep_type leaves the type that the
 * source's keys name. E_FORMAT when the tokenizer has no place in the file. */
status metadata_write(gguf_writer *g, const weights *w, dtype type, bool keep_type,
                      errtext *err);

/* The source is a GGUF file. */
bool metadata_is_gguf(const weights *w);

/* Linear scaling: one divisor for all frequencies, a key in GGUF; else they are
 * the tensor rope_freqs.weight. */
bool metadata_one_factor(const config *c);

#endif
