/* http_text.c - the small text forms of HTTP. */
#include "serve/http_text.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/utf8.h"

void text_add_json(bytes *out, const char *s, size_t len)
{
    bytes_add_char(out, '"');
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)s[i];
        uint32_t code;
        int n = utf8_decode(s + i, len - i, &code);

        if (n == 0) {
            bytes_add_string(out, "\xEF\xBF\xBD");
            i++;
            continue;
        }
        switch (c) {
        case '"': bytes_add_string(out, "\\\""); break;
        case '\\': bytes_add_string(out, "\\\\"); break;
        case '\n': bytes_add_string(out, "\\n"); break;
        case '\r': bytes_add_string(out, "\\r"); break;
        case '\t': bytes_add_string(out, "\\t"); break;
        default:
            if (c < 0x20 || c == 0x7F) bytes_add_format(out, "\\u%04x", c);
            else bytes_add(out, s + i, (size_t)n);
        }
        i += (size_t)n;
    }
    bytes_add_char(out, '"');
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool text_percent_decode(char **out, const char *s, size_t len, bool plus)
{
    char *to = mem_new(len + 1);
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        int value = (unsigned char)s[i];

        if (s[i] == '+' && plus) value = ' ';
        if (s[i] == '%') {
            int high = i + 2 < len ? hex_digit(s[i + 1]) : -1;
            int low = i + 2 < len ? hex_digit(s[i + 2]) : -1;

            value = high < 0 || low < 0 ? 0 : high * 16 + low;
            i += 2;
        }
        if (value == 0) {
            mem_free(to);
            *out = NULL;
            return false;
        }
        to[n++] = (char)value;
    }
    *out = to;
    return true;
}

void text_duration(char out[32], double seconds)
{
    int64_t ms = seconds > 0 ? (int64_t)ceil(fmin(seconds, 1e9) * 1000) : 0;
    long long h = ms / 3600000, m = ms / 60000 % 60, s = ms / 1000 % 60, rest = ms % 1000;
    char part[8] = "";

    if (ms && ms < 1000) {
        snprintf(out, 32, "%lldms", rest);
        return;
    }
    if (rest) {
        snprintf(part, sizeof part, ".%03d", (int)rest % 1000);
        for (size_t n = strlen(part); part[n - 1] == '0'; n--) part[n - 1] = 0;
    }
    if (h) snprintf(out, 32, "%lldh%lldm%lld%ss", h, m, s, part);
    else if (m) snprintf(out, 32, "%lldm%lld%ss", m, s, part);
    else snprintf(out, 32, "%lld%ss", s, part);
}

const char *text_reason(int status)
{
    static const struct { int status; const char *reason; } all[] = {
        { 200, "OK" }, { 204, "No Content" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
        { 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
        { 408, "Request Timeout" }, { 409, "Conflict" }, { 411, "Length Required" },
        { 413, "Payload Too Large" }, { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" }, { 422, "Unprocessable Entity" },
        { 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" }, { 501, "Not Implemented" },
        { 503, "Service Unavailable" },
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].status == status) return all[i].reason;
    return "";
}

static size_t key_length(const char *s, size_t len)
{
    size_t n = 0;

    while (n < len && (strchr("-_.~+/=", s[n]) ? s[n] != 0
                                               : (s[n] >= '0' && s[n] <= '9') ||
                                                 (s[n] >= 'a' && s[n] <= 'z') ||
                                                 (s[n] >= 'A' && s[n] <= 'Z')))
        n++;
    return n;
}

void text_add_redacted(bytes *out, const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        bool border = i == 0 || !key_length(s + i - 1, 1) || strchr("=+~/", s[i - 1]);
        size_t skip = 0, n;

        if (border && len - i >= 3 && !memcmp(s + i, "sk-", 3)) skip = 3;
        if (len - i >= 7 && !strncasecmp(s + i, "bearer ", 7)) skip = 7;
        n = skip ? key_length(s + i + skip, len - i - skip) : 0;
        if (skip && n >= (skip == 3 ? 4u : 1u)) {
            bytes_add(out, s + i, skip);
            bytes_add_string(out, "***");
            i += skip + n;
        } else {
            bytes_add_char(out, s[i++]);
        }
    }
}
