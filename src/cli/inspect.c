/* inspect.c - ponder inspect: what is in a weight file.
 *
 * Opening the file already checks its shape; --check reads every scale and
 * builds the tokenizer too, so that exit code 0 means the file can be used. */
#include "cli/cli.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "model/weights.h"

static const char usage[] =
    "usage: ponder inspect FILE [--json] [--check]\n"
    "\n"
    "Show family, sizes, tokenizer and tensors of a model: a GGUF file, the first of\n"
    "a split set, or a Hugging Face folder.\n"
    "\n"
    "  --json    one JSON object instead of text\n"
    "  --check   also look for numbers that are not finite in all tensors and require\n"
    "            a working tokenizer; exit code 1 when something is wrong\n";

/* What the tensors add up to. */
typedef struct totals {
    int64_t n_param, n_byte;
    int n_tensor[64];            /* by type */
    int64_t n_byte_of[64];
} totals;

static int64_t elements(const weight *t)
{
    return t->dim[0] * t->dim[1] * t->dim[2] * t->dim[3];
}

static totals add_up(const weights *w)
{
    totals sum = { 0 };

    for (int i = 0; i < weights_count(w); i++) {
        const weight *t = weights_at(w, i);

        sum.n_param += elements(t);
        sum.n_byte += (int64_t)t->n_bytes;
        sum.n_tensor[t->type]++;
        sum.n_byte_of[t->type] += (int64_t)t->n_bytes;
    }
    return sum;
}

/* The name as a terminal may see it: no control characters, valid UTF-8. */
static void printable(const char *name, char *out, size_t cap)
{
    size_t n = 0, len = strlen(name);

    for (size_t i = 0; i < len && n + 5 < cap;) {
        uint32_t code;
        int size = utf8_decode(name + i, len - i, &code);

        if (!size || code < ' ' || (code >= 0x7F && code < 0xA0)) {
            out[n++] = '?';
            i += size ? (size_t)size : 1;
            continue;
        }
        memcpy(out + n, name + i, (size_t)size);
        n += (size_t)size;
        i += (size_t)size;
    }
    out[n] = 0;
}

static int layers_without_positions(const config *c)
{
    int n = 0;

    for (int i = 0; i < c->n_layer; i++) n += c->no_rope[i];
    return n;
}

static bool scaled_positions(const config *c)
{
    for (int i = 0; i < c->d_head / 2; i++)
        if (c->rope_factors[i] != 1) return true;
    return false;
}

/* ---- text ---- */

static void print_types(const totals *sum)
{
    const char *comma = "";

    printf("types       ");
    for (int t = 0; t < 64; t++) {
        if (!sum->n_tensor[t]) continue;
        printf("%s%s %d (%.1f MB)", comma, dtype_name((dtype)t), sum->n_tensor[t],
               (double)sum->n_byte_of[t] / 1e6);
        comma = ", ";
    }
    printf("\n");
}

static void print_tokenizer(const tokenizer *tok, const char *trouble)
{
    const vocab_spec *v = tok ? tokenizer_spec(tok) : NULL;

    if (!tok) {
        printf("tokenizer   none: %s\n", trouble);
        return;
    }
    printf("tokenizer   %s", v->model);
    if (v->pre) printf(" (%s)", v->pre);
    printf(", %d tokens, %d merges", tokenizer_size(tok), v->n_merge);
    if (v->bos >= 0) printf(", bos %d%s", v->bos, v->add_bos ? " (added)" : "");
    if (v->eos >= 0) printf(", eos %d", v->eos);
    if (v->eot >= 0) printf(", eot %d", v->eot);
    printf("\n");
}

static void print_shape(const weight *t)
{
    printf("[");
    for (int i = 0; i < t->n_dim; i++) printf("%s%lld", i ? ", " : "", (long long)t->dim[i]);
    printf("]");
}

static void print_text(const weights *w, const char *path, const tokenizer *tok,
                       const char *trouble)
{
    const config *c = weights_config(w);
    const char *chat = weights_chat_template(w);
    totals sum = add_up(w);
    char name[2 * sizeof c->name];

    printable(c->name, name, sizeof name);
    printf("file        %s\n", path);
    printf("name        %s\n", name);
    printf("family      %s\n", family_name(c->family));
    printf("layers      %d", c->n_layer);
    if (layers_without_positions(c))
        printf(", %d without position encoding", layers_without_positions(c));
    printf("\nwidth       %d, %d heads of %d, %d for keys and values\n", c->d_model, c->n_head,
           c->d_head, c->n_head_kv);
    printf("feed        %d", c->d_ff);
    if (c->n_expert)
        printf(", %d experts of %d, %d used", c->n_expert, c->d_ff_expert, c->n_expert_used);
    printf("\nvocabulary  %d%s\n", c->n_vocab, c->tied ? ", embedding and output shared" : "");
    printf("context     %d, positions with base %g%s\n", c->n_ctx, (double)c->rope_base,
           scaled_positions(c) ? ", scaled" : "");
    printf("parameters  %" PRId64 "\n", sum.n_param);
    printf("bytes       %" PRId64 " (%.2f bits a parameter)\n", sum.n_byte,
           8.0 * (double)sum.n_byte / (double)sum.n_param);
    print_types(&sum);
    print_tokenizer(tok, trouble);
    if (chat) printf("template    %zu bytes\n", strlen(chat));
    else printf("template    none\n");
    printf("tensors     %d\n", weights_count(w));
    for (int i = 0; i < weights_count(w); i++) {
        const weight *t = weights_at(w, i);

        printf("  %-36s %-5s %12zu  ", t->name, dtype_name(t->type), t->n_bytes);
        print_shape(t);
        printf("\n");
    }
}

/* ---- JSON ---- */

static json_t *json_config(const config *c)
{
    json_t *no_rope = json_array();

    for (int i = 0; i < c->n_layer; i++)
        if (c->no_rope[i]) json_array_append_new(no_rope, json_integer(i));
    return json_pack("{s:i s:i s:i s:i s:i s:i s:i s:i s:f s:f s:b s:b s:i s:i s:i s:o}",
                     "layers", c->n_layer, "width", c->d_model, "heads", c->n_head,
                     "heads_kv", c->n_head_kv, "head_width", c->d_head, "feed_forward", c->d_ff,
                     "vocabulary", c->n_vocab, "context", c->n_ctx,
                     "norm_eps", (double)c->norm_eps, "rope_base", (double)c->rope_base,
                     "rope_scaled", (int)scaled_positions(c), "tied", (int)c->tied,
                     "experts", c->n_expert, "experts_used", c->n_expert_used,
                     "expert_feed_forward", c->d_ff_expert, "layers_without_rope", no_rope);
}

static json_t *json_tokenizer(const tokenizer *tok)
{
    const vocab_spec *v;

    if (!tok) return json_null();
    v = tokenizer_spec(tok);
    return json_pack("{s:s s:s? s:i s:i s:i s:i s:i s:i s:i s:b}", "model", v->model, "pre",
                     v->pre, "tokens", tokenizer_size(tok), "merges", v->n_merge, "bos",
                     (int)v->bos, "eos", (int)v->eos, "eot", (int)v->eot, "unknown", (int)v->unk,
                     "padding", (int)v->pad, "add_bos", (int)v->add_bos);
}

static json_t *json_tensors(const weights *w)
{
    json_t *list = json_array();

    for (int i = 0; i < weights_count(w); i++) {
        const weight *t = weights_at(w, i);
        json_t *shape = json_array();

        for (int j = 0; j < t->n_dim; j++) json_array_append_new(shape, json_integer(t->dim[j]));
        json_array_append_new(list, json_pack("{s:s s:s s:o s:I}", "name", t->name, "type",
                                              dtype_name(t->type), "shape", shape, "bytes",
                                              (json_int_t)t->n_bytes));
    }
    return list;
}

static void print_json(const weights *w, const char *path, const tokenizer *tok)
{
    const config *c = weights_config(w);
    totals sum = add_up(w);
    json_t *types = json_object(), *out = json_object(), *place = json_string(path);
    char name[2 * sizeof c->name];

    printable(c->name, name, sizeof name);
    for (int t = 0; t < 64; t++)
        if (sum.n_tensor[t])
            json_object_set_new(types, dtype_name((dtype)t),
                                json_pack("{s:i s:I}", "tensors", sum.n_tensor[t], "bytes",
                                          (json_int_t)sum.n_byte_of[t]));
    json_object_set_new(out, "file", place ? place : json_null());   /* null: not UTF-8 */
    json_object_set_new(out, "name", json_string(name));
    json_object_set_new(out, "family", json_string(family_name(c->family)));
    json_object_set_new(out, "config", json_config(c));
    json_object_set_new(out, "parameters", json_integer(sum.n_param));
    json_object_set_new(out, "bytes", json_integer(sum.n_byte));
    json_object_set_new(out, "types", types);
    json_object_set_new(out, "tokenizer", json_tokenizer(tok));
    json_object_set_new(out, "chat_template", json_boolean(weights_chat_template(w) != NULL));
    json_object_set_new(out, "tensors", json_tensors(w));
    json_dumpf(out, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    printf("\n");
    json_decref(out);
}

/* ---- command ---- */

static int inspect(const char *path, bool as_json, bool check)
{
    errtext err, trouble;
    weights *w;
    tokenizer *tok = NULL;
    status st, tok_st;

    if (weights_open(&w, path, &err) != OK) {
        fprintf(stderr, "ponder inspect: %s\n", err.text);
        return EXIT_TROUBLE;
    }
    tok_st = weights_tokenizer(w, &tok, &trouble);
    st = weights_intact(w, &err);
    if (st == OK && as_json) print_json(w, path, tok);
    else if (st == OK) print_text(w, path, tok, trouble.text);
    if (st == OK && check) {
        st = tok_st == OK ? weights_check_finite(w, &err) : tok_st;
        if (tok_st != OK) err = trouble;
        if (st == OK && !as_json) printf("check       all numbers finite, tokenizer works\n");
    }
    if (st != OK) fprintf(stderr, "ponder inspect: %s\n", err.text);
    tokenizer_free(tok);
    weights_close(w);
    return st == OK ? EXIT_FINE : EXIT_TROUBLE;
}

int cli_inspect(int argc, char **argv)
{
    const char *path = NULL;
    bool as_json = false, check = false;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            fputs(usage, stdout);
            return EXIT_FINE;
        }
        if (!strcmp(argv[i], "--json")) as_json = true;
        else if (!strcmp(argv[i], "--check")) check = true;
        else if (argv[i][0] == '-' && argv[i][1]) {
            fprintf(stderr, "ponder inspect: unknown option %s\n%s", argv[i], usage);
            return EXIT_USAGE;
        } else if (path) {
            fprintf(stderr, "ponder inspect: more than one file\n%s", usage);
            return EXIT_USAGE;
        } else path = argv[i];
    }
    if (!path) {
        fprintf(stderr, "ponder inspect: no file given\n%s", usage);
        return EXIT_USAGE;
    }
    return inspect(path, as_json, check);
}
