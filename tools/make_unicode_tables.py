#!/usr/bin/env python3
"""Write src/token/unicode_tables.c: which characters are letters, numbers, spaces.

usage: make_unicode_tables.py OUTPUT
needs: unicodedata2 == 16.0.0 (PyPI), because Python's own tables are those of
whatever Unicode version it was built with.

The splitters ask three questions of a character, those of \\p{L}, \\p{N} and \\s
in the published tokenizer regexes: letter (general categories L*), number (N*),
white space (property White_Space, which is the categories Z* and the controls
U+0009..U+000D and U+0085). Two bits a character, in blocks of 256 characters;
equal blocks are stored once.
"""
import sys

import unicodedata2 as unicodedata

VERSION = "16.0.0"
OTHER, LETTER, NUMBER, SPACE = 0, 1, 2, 3


def classify(code):
    category = unicodedata.category(chr(code))
    if category[0] == "L":
        return LETTER
    if category[0] == "N":
        return NUMBER
    if category[0] == "Z" or 0x9 <= code <= 0xD or code == 0x85:
        return SPACE
    return OTHER


def block_words(start):
    """One block as 16 words of 16 characters, the first in the lowest bits."""
    words = []
    for i in range(16):
        word = 0
        for j in range(16):
            word |= classify(start + 16 * i + j) << (2 * j)
        words.append(word)
    return tuple(words)


def rows(items, form, per_row):
    for i in range(0, len(items), per_row):
        yield "    " + ", ".join(form % x for x in items[i:i + per_row]) + ","


def main(path):
    if unicodedata.unidata_version != VERSION:
        sys.exit("unicodedata2 has Unicode %s, expected %s"
                 % (unicodedata.unidata_version, VERSION))
    blocks, index = [], []
    for start in range(0, 0x110000, 256):
        words = block_words(start)
        if words not in blocks:
            blocks.append(words)
        index.append(blocks.index(words))
    assert len(blocks) <= 256
    # Everything above the last block that is not all "other" needs no index.
    empty = blocks.index((0,) * 16)
    while index[-1] == empty:
        index.pop()
    out = [
        "/* unicode_tables.c - character classes of Unicode %s." % VERSION,
        " *",
        " * Written by tools/make_unicode_tables.py; do not edit. */",
        '#include "token/unicode.h"',
        "",
        "const uint32_t unicode_blocks[][16] = {",
    ]
    for words in blocks:
        out.append("    {")
        out += ["    " + r for r in rows(words, "0x%X", 6)]
        out.append("    },")
    out += ["};", "", "const uint8_t unicode_index[UNICODE_INDEX_LEN] = {"]
    out += rows(index, "%d", 20)
    out += ["};", ""]
    with open(path, "w") as f:
        f.write("\n".join(out))
    print("%d blocks, index of %d" % (len(blocks), len(index)))


main(sys.argv[1])
