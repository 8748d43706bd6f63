/* wire.h - bytes of a model as JSON text.
 *
 * jansson takes UTF-8 alone, and a model may write anything: what is not a
 * character becomes U+FFFD, so that one odd byte never costs a whole answer. */
#ifndef SERVE_WIRE_H
#define SERVE_WIRE_H

#include <jansson.h>
#include <stddef.h>

json_t *wire_text(const char *text, size_t len);
json_t *wire_string(const char *text);

#endif
