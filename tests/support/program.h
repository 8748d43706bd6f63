/* program.h - the ponder program as a user runs it, in a home of its own.
 *
 * Runs the binary PONDER_BIN (default build/ponder) on a parrot, whose path is
 * in $MODEL. Definitions, for the files that include it: short names, kept out
 * of all other tests. */
#ifndef TESTS_PROGRAM_H
#define TESTS_PROGRAM_H

#include "base/bytes.h"
#include "base/file.h"
#include "cli/cli.h"
#include "support/parrot.h"

#include <check.h>       /* after ours: it has a macro named fail */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHATML "{% for m in messages %}<|im_start|>{{ m.role }}{% endfor %}"

static char home[64], ponder[4096];
static bytes out, err_out;

static inline const char *in_home(const char *name)
{
    static char at[4][128];
    static int next;
    char *path = at[next++ & 3];

    snprintf(path, sizeof at[0], "%s/%s", home, name);
    return path;
}

static inline void write_file(const char *name, const char *text)
{
    ck_assert_int_eq(file_replace(in_home(name), text, strlen(text), NULL), OK);
}

static const parrot_word thinker[] = {
    { "Let me see.", 0 }, { "</think>", 0 }, { "The answer", 0 }, { " is 7.", 0 },
    { "<|im_end|>", 0 },
};

static inline void setup(void)
{
    const char *bin = getenv("PONDER_BIN");

    ck_assert_ptr_nonnull(realpath(bin ? bin : "build/ponder", ponder));
    snprintf(home, sizeof home, "/tmp/test_cli.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(home));
    setenv("PONDER_HOME", home, 1);
    setenv("PONDER_BIN", ponder, 1);
    setenv("MODEL", in_home("parrot.gguf"), 1);
    setenv("TERM", "xterm", 1);
    unsetenv("PONDER_MODEL");
    unsetenv("NO_COLOR");
    parrot_write(in_home("parrot.gguf"), CHATML, 1024, thinker, 5);
}

static inline void teardown(void)
{
    char command[96];

    snprintf(command, sizeof command, "rm -rf %s", home);
    ck_assert_int_eq(system(command), 0);
    bytes_fini(&out);
    bytes_fini(&err_out);
}

static inline void read_outputs(void)
{
    bytes_clear(&out);
    bytes_clear(&err_out);
    ck_assert_int_eq(file_read(&out, in_home("out"), 10000000, NULL), OK);
    ck_assert_int_eq(file_read(&err_out, in_home("err"), 10000000, NULL), OK);
}

/* Run a shell command line in which $P is the program; standard input is empty
 * unless the line says otherwise. Returns the exit code; what was written is
 * in out and err_out. */
__attribute__((format(printf, 1, 2))) static inline int sh(const char *format, ...)
{
    char line[8192];
    int n, code;
    va_list args;

    n = snprintf(line, sizeof line, "P=\"$PONDER_BIN\"; exec >%s/out 2>%s/err </dev/null; ", home,
                 home);
    va_start(args, format);
    vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    code = system(line);
    ck_assert_msg(WIFEXITED(code), "%s", line);
    read_outputs();
    return WEXITSTATUS(code);
}

static inline bool says(const bytes *b, const char *text)
{
    return b->data && strstr(b->data, text) != NULL;
}

#define CHECK_SAYS(b, text) ck_assert_msg(says(b, text), "\"%s\" is not in: %s", text, (b)->data)

static inline int n_lines(const bytes *b)
{
    int n = 0;

    for (size_t i = 0; i < b->len; i++) n += b->data[i] == '\n';
    return n;
}

static inline json_t *json_of_out(void)
{
    json_error_t why;
    json_t *o = json_loadb(out.data, out.len, 0, &why);

    ck_assert_msg(o != NULL, "%s: %s", why.text, out.data);
    return o;
}

static inline int number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(json_object_get(o, "usage"), key);

    ck_assert_msg(json_is_integer(v), "%s", key);
    return (int)json_integer_value(v);
}

static inline const char *string(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    ck_assert_msg(s != NULL, "%s", key);
    return s;
}

/* Tokens of the prompt that a command line makes: the parrot's tokens are
 * bytes, so this weighs what went in. */
static inline int prompt_tokens(const char *line)
{
    json_t *o;
    int n;

    ck_assert_int_eq(sh("%s", line), EXIT_FINE);
    o = json_of_out();
    n = number(o, "prompt_tokens");
    json_decref(o);
    return n;
}

#endif
