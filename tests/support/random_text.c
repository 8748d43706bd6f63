/* random_text.c - text with all that splitters and merging trip over.
 *
 * The twin of the generator in tools/make_tokenizer_fixtures.py: both must make
 * the same strings, or the stored ids belong to other texts. */
#include "support/random_text.h"

#include "base/utf8.h"

static const char *const words[] = {
    "the", "of", "and", "answer", "is", "number", "think", "because", "therefore",
    "Question", "total", "hundred", "price", "How", "many", "apples", "left", "her", "DON",
    "don", "we", "return", "int", "for", "if", "else", "malloc", "sizeof", "printf", "x",
    "y", "equation", "step", "first", "Paris", "unhappiness", "running", "HTTP", "json",
    "token", "na\xC3\xAFve", "caf\xC3\xA9", "stra\xC3\x9F" "e",
    "\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82", "\xE4\xBD\xA0\xE5\xA5\xBD",
    "\xE4\xB8\x96\xE7\x95\x8C", "\xE3\x81\x93\xE3\x82\x93", "\xED\x95\x9C\xEA\xB5\xAD",
    "\xD9\x85\xD8\xB1\xD8\xAD\xD8\xA8\xD8\xA7", "\xCE\xBB\xCF\x8C\xCE\xB3\xCE\xBF\xCF\x82",
};
static const char *const spaces[] = {
    "\x0A", "\x0D\x0A", "\x0A\x0A", "\x09", " \x0A", "\x0A ", "  \x0A\x0A  ", "\xC2\xA0",
    "\xE3\x80\x80", "\xE2\x80\xA8", "\xC2\x85", " \x09 ", "\x0B", "\x1C",
};
static const char punctuation[] = "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~";
static const char *const contractions[] = {
    "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'Re", "'vE", "'\xC5\xBF",
    "'x", "'l", "'",
};
static const char *const specials[] = {
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>",
    "<|im_start", "<|", "<s>", "</s>", "think>",
};
static const char *const runs[] = {
    "a", "=", " ", "\x0A", "\xE4\xB8\x80", "9", "\xCC\x81",
};
static const struct {
    uint32_t base, span;
} ranges[] = {
    { 0x00A1, 0x5E }, { 0x0100, 0x150 }, { 0x0391, 0x38 }, { 0x0410, 0x40 },
    { 0x05D0, 0x1B }, { 0x0621, 0x20 }, { 0x0660, 0x0A }, { 0x0905, 0x35 },
    { 0x093E, 0x10 }, { 0x0E01, 0x30 }, { 0x1100, 0x100 }, { 0x1E00, 0x100 },
    { 0x2010, 0x20 }, { 0x2070, 0x20 }, { 0x2150, 0x3A }, { 0x2190, 0x60 },
    { 0x2460, 0x80 }, { 0x3041, 0x56 }, { 0x3220, 0x0A }, { 0x4E00, 0x5000 },
    { 0xAC00, 0x2BA4 }, { 0xE000, 0x20 }, { 0xF900, 0x100 }, { 0xFE00, 0x10 },
    { 0xFF01, 0x5E }, { 0x1D400, 0x55 }, { 0x1D7CE, 0x32 }, { 0x1F300, 0x100 },
    { 0x1F600, 0x50 }, { 0x1F1E6, 0x1A }, { 0x20000, 0x1000 }, { 0x12400, 0x60 },
    { 0x200B, 0x05 }, { 0x0300, 0x70 },
};

#define COUNT(array) (sizeof (array) / sizeof *(array))

uint32_t random_pick(random_state *r, uint32_t n)
{
    uint64_t z = r->state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (uint32_t)((z ^ z >> 31) % n);
}

static void add_code(bytes *out, uint32_t code)
{
    char c[4];

    bytes_add(out, c, (size_t)utf8_encode(code, c));
}

static void add_codes(bytes *out, random_state *r, uint32_t base, uint32_t span, uint32_t most)
{
    for (uint32_t n = 1 + random_pick(r, most); n > 0; n--)
        add_code(out, base + random_pick(r, span));
}

static void add_atom(bytes *out, random_state *r)
{
    uint32_t kind = random_pick(r, 20), n;

    if (kind < 6) {
        if (random_pick(r, 4)) bytes_add_char(out, ' ');
        bytes_add_string(out, words[random_pick(r, COUNT(words))]);
    } else if (kind == 6) {
        add_codes(out, r, 'a', 26, 8);
    } else if (kind < 9) {
        add_codes(out, r, '0', 10, 6);
    } else if (kind == 9) {
        for (n = 1 + random_pick(r, 4); n > 0; n--) bytes_add_char(out, ' ');
    } else if (kind == 10) {
        bytes_add_string(out, spaces[random_pick(r, COUNT(spaces))]);
    } else if (kind < 13) {
        for (n = 1 + random_pick(r, 4); n > 0; n--)
            bytes_add_char(out, punctuation[random_pick(r, sizeof punctuation - 1)]);
    } else if (kind == 13) {
        bytes_add_string(out, contractions[random_pick(r, COUNT(contractions))]);
    } else if (kind < 17) {
        n = random_pick(r, COUNT(ranges));
        add_codes(out, r, ranges[n].base, ranges[n].span, 5);
    } else if (kind == 17) {
        bytes_add_char(out, (char)('a' + random_pick(r, 26)));
        add_codes(out, r, 0x300, 0x70, 4);
    } else if (kind == 18) {
        bytes_add_string(out, specials[random_pick(r, COUNT(specials))]);
    } else if (random_pick(r, 8) == 0) {
        const char *run = runs[random_pick(r, COUNT(runs))];

        for (n = 30 + random_pick(r, 200); n > 0; n--) bytes_add_string(out, run);
    } else {
        bytes_add_char(out, ' ');
    }
}

void random_text(bytes *out, uint64_t seed, uint64_t i)
{
    random_state r = { seed << 32 ^ i };

    bytes_clear(out);
    bytes_reserve(out, 0);
    for (uint32_t n = 1 + random_pick(&r, 24); n > 0; n--) add_atom(out, &r);
}
