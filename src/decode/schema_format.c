/* schema_format.c - formats as patterns.
 *
 * Each is a regular subset of what its RFC allows, wide enough for what is in
 * use: a model should write the plain form. Days are checked against their
 * month, not against leap years. */
#include <string.h>

#include "decode/schema_internal.h"

#define YEAR "[0-9]{4}"
#define DATE "(" YEAR "-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|" \
             "02-(0[1-9]|1[0-9]|2[0-8]))|([0-9]{2}(0[48]|[2468][048]|[13579][26])|" \
             "([02468][048]|[13579][26])00)-02-29)"
#define TIME "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define BYTE "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define IPV4 BYTE "\\." BYTE "\\." BYTE "\\." BYTE
#define H16 "[0-9A-Fa-f]{1,4}"
#define IPV6 "((" H16 ":){7}" H16 "|(" H16 ":){1,7}:|(" H16 ":){1,6}:" H16 "|(" H16 \
             ":){1,5}(:" H16 "){1,2}|(" H16 ":){1,4}(:" H16 "){1,3}|(" H16 ":){1,3}(:" H16 \
             "){1,4}|(" H16 ":){1,2}(:" H16 "){1,5}|" H16 ":(:" H16 "){1,6}|:((:" H16 \
             "){1,7}|:)|(" H16 ":){6}" IPV4 "|::(" H16 ":){0,5}" IPV4 ")"
#define PCHAR "([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
#define PCHARS PCHAR "*"
#define QUERY "(\\?([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?"
#define FRAGMENT "(#([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?"
#define AUTHORITY "(([A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?" \
                  "(\\[" IPV6 "\\]|([A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(:[0-9]{0,5})?"
#define URI "[A-Za-z][A-Za-z0-9+.-]*:(//" AUTHORITY "(/" PCHARS ")*|/(" PCHAR "+(/" PCHARS \
            ")*)?|" PCHAR "+(/" PCHARS ")*)" QUERY FRAGMENT
#define URI_REFERENCE "(" URI "|(//" AUTHORITY "(/" PCHARS ")*|/(" PCHAR "+(/" PCHARS \
            ")*)?|([A-Za-z0-9._~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})+(/" PCHARS ")*|)" QUERY FRAGMENT ")"
#define ATEXT "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
#define DATE_DURATION "([0-9]{1,9}D|[0-9]{1,9}M([0-9]{1,9}D)?|[0-9]{1,9}Y([0-9]{1,9}M([0-9]{1,9}D)?)?)"
#define TIME_DURATION "T([0-9]{1,9}S|[0-9]{1,9}M([0-9]{1,9}S)?|[0-9]{1,9}H([0-9]{1,9}M([0-9]{1,9}S)?)?)"

static const struct {
    const char *name, *pattern;
} formats[] = {
    { "date", "^" DATE "$" },
    { "date-time", "^" DATE "[Tt]" TIME "$" },
    { "duration", "^P(" DATE_DURATION "(" TIME_DURATION ")?|" TIME_DURATION "|[0-9]{1,9}W)$" },
    { "email", "^" ATEXT "(\\." ATEXT ")*@" LABEL "(\\." LABEL ")*$" },
    { "hostname", "^" LABEL "(\\." LABEL ")*$" },
    { "ipv4", "^" IPV4 "$" },
    { "ipv6", "^" IPV6 "$" },
    { "json-pointer", "^(/([^~/]|~[01])*)*$" },
    { "relative-json-pointer", "^(0|[1-9][0-9]{0,8})(#|(/([^~/]|~[01])*)*)$" },
    { "time", "^" TIME "$" },
    { "uri", "^" URI "$" },
    { "uri-reference", "^" URI_REFERENCE "$" },
    { "uuid", "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$" },
};

const char *format_pattern(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (!strcmp(name, formats[i].name)) return formats[i].pattern;
    return NULL;
}
