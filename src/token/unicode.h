/* unicode.h - the three questions the splitters ask of a character.
 *
 * The tables are Unicode 16.0, the version the reference tokenizers' regular
 * expression engine knows (checked over all code points by
 * tools/make_tokenizer_fixtures.py). */
#ifndef TOKEN_UNICODE_H
#define TOKEN_UNICODE_H

#include <stdint.h>

typedef enum char_class {
    CHAR_OTHER,          /* neither of these: punctuation, marks, controls */
    CHAR_LETTER,         /* \p{L} */
    CHAR_NUMBER,         /* \p{N}: Nd, Nl and No */
    CHAR_SPACE,          /* \s: property White_Space */
} char_class;

#define UNICODE_INDEX_LEN 804    /* blocks of 256; all above are CHAR_OTHER */

extern const uint32_t unicode_blocks[][16];
extern const uint8_t unicode_index[UNICODE_INDEX_LEN];

static inline char_class unicode_class(uint32_t code)
{
    if (code >> 8 >= UNICODE_INDEX_LEN) return CHAR_OTHER;
    return (char_class)(unicode_blocks[unicode_index[code >> 8]][code >> 4 & 15]
                        >> 2 * (code & 15) & 3);
}

#endif
