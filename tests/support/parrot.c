/* parrot.c - the file of a model that follows a script. */
#include "support/parrot.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "model/gguf.h"

#define CHATML "{% for m in messages %}<|im_start|>{{ m.role }}{% endfor %}"
#define N_BYTE 256
#define MAX_TOKEN 1024

static const char *const specials[] = {
    "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
};
#define N_SPECIAL ((int)(sizeof specials / sizeof *specials))

typedef struct parrot {
    token_text tokens[MAX_TOKEN];
    int32_t kinds[MAX_TOKEN];
    int n_token;
    bytes text;              /* of all tokens; reserved, so that it never moves */
    int ids[MAX_TOKEN];      /* of the words */
} parrot;

/* How the byte-level vocabulary of GPT-2 writes a byte: printable ones as they
 * are, the others from U+0100 on. */
static uint32_t code_of(int byte)
{
    uint32_t next = 0x100;

    for (int b = 0;; b++) {
        bool own = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;

        if (b == byte) return own ? (uint32_t)b : next;
        next += !own;
    }
}

static int add_token(parrot *p, const char *text, size_t len, int32_t kind)
{
    size_t start = p->text.len;
    int id = p->n_token++;

    CHECK(id < MAX_TOKEN && start + 4 * len < p->text.cap);
    for (size_t i = 0; i < len; i++) {
        char code[4];

        if (kind == TOKEN_NORMAL)
            bytes_add(&p->text, code, (size_t)utf8_encode(code_of((unsigned char)text[i]), code));
        else
            bytes_add(&p->text, text + i, 1);
    }
    p->tokens[id] = (token_text){ p->text.data + start, p->text.len - start };
    p->kinds[id] = kind;
    return id;
}

static void build_vocab(parrot *p, const parrot_word *words, int n_word)
{
    bytes_reserve(&p->text, 1 << 20);
    for (int b = 0; b < N_BYTE; b++) {
        char c = (char)b;

        add_token(p, &c, 1, TOKEN_NORMAL);
    }
    for (int i = 0; i < N_SPECIAL; i++)
        add_token(p, specials[i], strlen(specials[i]), TOKEN_CONTROL);
    for (int i = 0; i < n_word; i++) {
        p->ids[i] = -1;
        for (int k = 0; k < N_SPECIAL; k++)
            if (!strcmp(words[i].text, specials[k])) p->ids[i] = N_BYTE + k;
        if (p->ids[i] < 0)
            p->ids[i] = add_token(p, words[i].text, strlen(words[i].text), TOKEN_NORMAL);
    }
}

static void write_rows(gguf_writer *w, const float *x, int64_t n)
{
    errtext err;

    CHECK(gguf_writer_write(w, x, (size_t)n * sizeof *x, &err) == OK);
}

/* Row t: what follows when the last token is t, in columns of n each. */
static void write_output(parrot *p, gguf_writer *w, const parrot_word *words, int n_word)
{
    int n = p->n_token;
    float *out = mem_array((size_t)n * (size_t)n, sizeof *out);

    for (int t = 0; t < N_BYTE + N_SPECIAL; t++) out[p->ids[0] * n + t] = 1;
    for (int i = 0; i < n_word; i++) {
        int t = p->ids[i], next = i + 1 < n_word ? i + 1 : i;

        for (int v = 0; v < n; v++) out[v * n + t] = 0;
        out[p->ids[next] * n + t] = 1;
        if (words[i].other > 0) out[p->ids[words[i].other] * n + t] = 1;
        for (int k = 0; words[i].other == PARROT_ANY && k < n_word; k++)
            out[p->ids[k] * n + t] = 1;
    }
    /* The norm makes the one of a one-hot row sqrt(n): sure at any temperature. */
    for (int i = 0; i < n * n; i++) out[i] *= 10;
    write_rows(w, out, (int64_t)n * n);
    mem_free(out);
}

void parrot_write(const char *path, const char *chat_template, int n_ctx,
                  const parrot_word *words, int n_word)
{
    parrot *p = mem_new(sizeof *p);
    gguf_writer *w = gguf_writer_new();
    config c = { .family = FAMILY_LLAMA, .name = "parrot", .n_layer = 1, .n_head = 1,
                 .n_head_kv = 1, .d_head = 4, .d_ff = 4, .n_ctx = n_ctx, .norm_eps = 1e-6f,
                 .rope_base = 10000, .rope_interleaved = true };
    vocab_spec v = { .model = "gpt2", .pre = "gpt-2", .bos = -1, .eos = N_BYTE + 1,
                     .eot = N_BYTE + 4, .unk = -1, .pad = -1 };
    errtext err;

    build_vocab(p, words, n_word);
    c.n_vocab = c.d_model = v.n_token = p->n_token;
    for (int i = 0; i < 128; i++) c.rope_factors[i] = 1;
    v.tokens = p->tokens;
    v.kinds = p->kinds;
    gguf_writer_set_config(w, &c);
    gguf_writer_set_vocab(w, &v);
    gguf_writer_set_string(w, "tokenizer.chat_template", chat_template ? chat_template : CHATML);

    const struct { const char *name; int n_dim; int64_t d0, d1; float value; } list[] = {
        { "blk.0.attn_norm.weight", 1, c.d_model, 1, 1 },
        { "blk.0.attn_q.weight", 2, c.d_model, 4, 0 },
        { "blk.0.attn_k.weight", 2, c.d_model, 4, 0 },
        { "blk.0.attn_v.weight", 2, c.d_model, 4, 0 },
        { "blk.0.attn_output.weight", 2, 4, c.d_model, 0 },
        { "blk.0.ffn_norm.weight", 1, c.d_model, 1, 1 },
        { "blk.0.ffn_gate.weight", 2, c.d_model, 4, 0 },
        { "blk.0.ffn_up.weight", 2, c.d_model, 4, 0 },
        { "blk.0.ffn_down.weight", 2, 4, c.d_model, 0 },
        { "output_norm.weight", 1, c.d_model, 1, 1 },
        { "token_embd.weight", 2, c.d_model, c.n_vocab, 0 },
        { "output.weight", 2, c.d_model, c.n_vocab, 0 },
    };
    size_t n_list = sizeof list / sizeof *list;

    for (size_t i = 0; i < n_list; i++) {
        int64_t dim[4] = { list[i].d0, list[i].d1, 1, 1 };

        gguf_writer_add_tensor(w, list[i].name, DTYPE_F32, list[i].n_dim, dim);
    }
    CHECK(gguf_writer_begin(w, path, &err) == OK);
    for (size_t i = 0; i < n_list - 1; i++) {
        int64_t n = list[i].d0 * list[i].d1;
        float *x = mem_array((size_t)n, sizeof *x);

        for (int64_t k = 0; k < n; k++) x[k] = list[i].value;
        if (i == n_list - 2)
            for (int t = 0; t < c.n_vocab; t++) x[t * c.d_model + t] = 1;
        write_rows(w, x, n);
        mem_free(x);
    }
    write_output(p, w, words, n_word);
    CHECK(gguf_writer_finish(w, &err) == OK);
    gguf_writer_free(w);
    bytes_fini(&p->text);
    mem_free(p);
}
