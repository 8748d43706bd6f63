/* markup.h - text inside XML and HTML. */
#ifndef TRAIN_MARKUP_H
#define TRAIN_MARKUP_H

#include "base/bytes.h"

/* Append text with the five special characters escaped, good for elements and
 * quoted attributes. Bytes that are not UTF-8 and characters that XML 1.0 does
 * not allow become U+FFFD. NULL is nothing. */
void markup_add(bytes *out, const char *text);

/* markup_add of at most max_chars characters; a longer text ends in an
 * ellipsis. */
void markup_add_cut(bytes *out, const char *text, int max_chars);

#endif
