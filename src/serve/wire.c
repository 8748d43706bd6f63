/* wire.c - bytes of a model as JSON text. */
#include "serve/wire.h"

#include <string.h>

#include "base/bytes.h"
#include "base/utf8.h"

json_t *wire_text(const char *text, size_t len)
{
    bytes clean = { 0 };
    json_t *v;

    if (utf8_valid_prefix(text, len) == len) return json_stringn_nocheck(text, len);
    for (size_t i = 0; i < len;) {
        size_t n = utf8_valid_prefix(text + i, len - i);

        bytes_add(&clean, text + i, n);
        i += n;
        if (i == len) break;
        bytes_add_string(&clean, "\xEF\xBF\xBD");
        i++;
    }
    v = json_stringn_nocheck(clean.data, clean.len);
    bytes_fini(&clean);
    return v;
}

json_t *wire_string(const char *text)
{
    return wire_text(text, strlen(text));
}
