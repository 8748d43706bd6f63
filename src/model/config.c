/* config.c - is this the shape of a model we can run? */
#include "model/config.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Indexed by family. */
static const char *const names[] = { "llama", "qwen2", "qwen3", "qwen3moe", "smollm3" };

#define N_NAMES ((int)(sizeof names / sizeof *names))

const char *family_name(family f)
{
    CHECK((unsigned)f < (unsigned)N_NAMES);
    return names[f];
}

bool family_parse(const char *architecture, family *out)
{
    for (int i = 0; i < N_NAMES; i++) {
        if (strcmp(names[i], architecture)) continue;
        *out = (family)i;
        return true;
    }
    return false;
}

uint8_t config_no_rope(family f, int i_layer)
{
    return f == FAMILY_SMOLLM3 && i_layer % 4 == 3;
}

/* The bounds are far above any model there is; they keep every product of two
 * fields within 64 bits and every field times 4 within 32. */
static status within(const char *where, const char *field, int value, int low, int high,
                     errtext *err)
{
    if (value < low)
        return fail(err, E_FORMAT, "%s: %s is %d, at least %d expected", where, field, value, low);
    if (value > high)
        return fail(err, E_LIMIT, "%s: %s is %d, limit %d", where, field, value, high);
    return OK;
}

static status check_experts(const config *c, const char *where, errtext *err)
{
    status st;

    if (!c->n_expert) {
        if (c->n_expert_used || c->d_ff_expert)
            return fail(err, E_FORMAT, "%s: n_expert is 0 but n_expert_used is %d and "
                        "d_ff_expert %d", where, c->n_expert_used, c->d_ff_expert);
        return OK;
    }
    if ((st = within(where, "n_expert_used", c->n_expert_used, 1, 1 << 16, err)) != OK ||
        (st = within(where, "d_ff_expert", c->d_ff_expert, 1, 1 << 24, err)) != OK)
        return st;
    if (c->n_expert_used > c->n_expert)
        return fail(err, E_FORMAT, "%s: n_expert_used is %d of n_expert %d", where,
                    c->n_expert_used, c->n_expert);
    return OK;
}

static status check_rope(const config *c, const char *where, errtext *err)
{
    if (!isfinite(c->rope_base) || c->rope_base <= 0)
        return fail(err, E_FORMAT, "%s: rope_base is %g, a positive number expected", where,
                    (double)c->rope_base);
    for (int i = 0; i < c->d_head / 2; i++)
        if (!isfinite(c->rope_factors[i]) || c->rope_factors[i] <= 0)
            return fail(err, E_FORMAT, "%s: rope_factors[%d] is %g, a positive number expected",
                        where, i, (double)c->rope_factors[i]);
    for (int i = 0; i < c->n_layer; i++)
        if (c->no_rope[i] > 1)
            return fail(err, E_FORMAT, "%s: no_rope[%d] is %d, 0 or 1 expected", where, i,
                        c->no_rope[i]);
    return OK;
}

status config_check(const config *c, const char *where, errtext *err)
{
    /* In a model of experts only the dense layers, if any, use d_ff. */
    const struct { const char *field; int value, low, high; } bounds[] = {
        { "n_layer", c->n_layer, 1, CONFIG_MAX_LAYER },
        { "d_model", c->d_model, 1, 1 << 20 },
        { "n_head", c->n_head, 1, 1 << 16 },
        { "n_head_kv", c->n_head_kv, 1, 1 << 16 },
        { "d_head", c->d_head, 2, 2 * (int)(sizeof c->rope_factors / sizeof *c->rope_factors) },
        { "n_expert", c->n_expert, 0, 1 << 16 },
        { "d_ff", c->d_ff, c->n_expert > 0 ? 0 : 1, 1 << 24 },
        { "n_vocab", c->n_vocab, 1, 1 << 24 },
        { "n_ctx", c->n_ctx, 1, CONFIG_MAX_CTX },
    };
    status st;

    if ((unsigned)c->family >= (unsigned)N_NAMES)
        return fail(err, E_FORMAT, "%s: family %d is unknown", where, (int)c->family);
    if (!memchr(c->name, 0, sizeof c->name))
        return fail(err, E_FORMAT, "%s: name is longer than %zu bytes", where,
                    sizeof c->name - 1);
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        if ((st = within(where, bounds[i].field, bounds[i].value, bounds[i].low, bounds[i].high,
                         err)) != OK)
            return st;
    if (c->n_head % c->n_head_kv)
        return fail(err, E_FORMAT, "%s: n_head %d is not a multiple of n_head_kv %d", where,
                    c->n_head, c->n_head_kv);
    if (c->d_head % 2)
        return fail(err, E_FORMAT, "%s: d_head %d is odd", where, c->d_head);
    if ((int64_t)c->n_head * c->d_head > 1 << 20)
        return fail(err, E_LIMIT, "%s: n_head %d times d_head %d is above %d", where, c->n_head,
                    c->d_head, 1 << 20);
    if (!isfinite(c->norm_eps) || c->norm_eps < 0 || c->norm_eps >= 1)
        return fail(err, E_FORMAT, "%s: norm_eps is %g, a number from 0 to 1 expected", where,
                    (double)c->norm_eps);
    if ((st = check_experts(c, where, err)) != OK) return st;
    return check_rope(c, where, err);
}
