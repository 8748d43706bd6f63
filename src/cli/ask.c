/* ask.c - ponder ask: one question, one answer. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/input.h"
#include "cli/process.h"
#include "cli/settings.h"

static const char command[] = "ponder ask";

static const char help[] =
    "usage: ponder ask [options] QUESTION...\n"
    "\n"
    "Ask a model. The answer goes to standard output, its thinking and a line of\n"
    "figures to standard error. What is piped in is read as a file beside the\n"
    "question, or is the question where none is given. Asked something that is none of\n"
    "the problems it knows, ponder-nano gives no answer: what it knows goes to standard\n"
    "error, and the exit code is 0.\n"
    "\n"
    "  -f, --file FILE      a file to read; may be given more than once; - is\n"
    "                       standard input\n"
    "  -n, --samples N      answer N times and take the majority of the final answers\n"
    "      --json           one JSON object on standard output\n";

typedef struct asked {
    settings s;
    text_list files;
    text_list words;         /* of the question */
    bool json;
    chat chat;
    bytes path;              /* of the model */
    view view;
    double load_s;
} asked;

static int trouble(const char *text)
{
    fprintf(stderr, "%s: %s\n", command, text);
    return EXIT_TROUBLE;
}

/* ----------------------------------------------------------------- question */

static status read_files(asked *a, chat_message *m, bool *stdin_taken, errtext *err)
{
    for (int i = 0; i < a->files.n; i++) {
        const char *name = a->files.items[i];
        bool std = !strcmp(name, "-");
        bytes text = { 0 };
        status st = OK;

        if (std && *stdin_taken)
            return fail(err, E_ARG, "standard input is given more than once");
        *stdin_taken |= std;
        if (std) st = input_stdin(command, true, &text, err);
        else st = file_read(&text, name, INPUT_MAX_BYTES, err);
        if (st == OK)
            chat_message_file(m, std ? "standard input" : name, text.data ? text.data : "",
                              text.len);
        bytes_fini(&text);
        if (st != OK) return st;
    }
    return OK;
}

/* Files first, then what came by standard input, then the question, which
 * stays nearest to the answer. */
static status build_chat(asked *a, errtext *err)
{
    bytes piped = { 0 }, question = { 0 };
    bool stdin_taken = false;
    chat_message *m;
    status st;

    if (a->s.system)
        chat_message_text(chat_add(&a->chat, CHAT_SYSTEM), a->s.system, strlen(a->s.system));
    m = chat_add(&a->chat, CHAT_USER);
    for (int i = 0; i < a->words.n; i++)
        bytes_add_format(&question, "%s%s", i ? " " : "", a->words.items[i]);
    st = read_files(a, m, &stdin_taken, err);
    if (st == OK && !stdin_taken) st = input_stdin(command, !question.len, &piped, err);
    if (st == OK && !question.len) {
        bytes swap = question;

        question = piped;
        piped = swap;
        while (question.len && strchr("\r\n", question.data[question.len - 1])) question.len--;
    }
    if (st == OK && !question.len)
        st = fail(err, E_ARG, "no question given (see %s --help)", command);
    if (st == OK) {
        if (piped.len) chat_message_file(m, "standard input", piped.data, piped.len);
        chat_message_text(m, question.data, question.len);
    }
    bytes_fini(&piped);
    bytes_fini(&question);
    return st;
}

/* --------------------------------------------------------------------- json */

static json_t *text_json(const char *text, size_t len)
{
    return json_stringn_nocheck(text, len);
}

static json_t *final_json(const ask_sample *s)
{
    return s->final ? text_json(s->final, strlen(s->final)) : json_null();
}

static json_t *sample_json(const ask_sample *s)
{
    json_t *o = json_object();

    json_object_set_new(o, "answer", text_json(s->text, s->text_len));
    json_object_set_new(o, "reasoning", text_json(s->reasoning, s->reasoning_len));
    json_object_set_new(o, "final", final_json(s));
    json_object_set_new(o, "finish", json_string(finish_name(s->finish)));
    json_object_set_new(o, "reasoning_tokens", json_integer(s->usage.reasoning));
    json_object_set_new(o, "answer_tokens", json_integer(s->usage.answer));
    return o;
}

static json_t *usage_json(const ask_usage *u)
{
    return json_pack("{si si si si si}", "prompt_tokens", u->prompt, "cached_tokens", u->cached,
                     "reasoning_tokens", u->reasoning, "answer_tokens", u->answer,
                     "completion_tokens", u->completion);
}

static int print_json(const asked *a, const ask_request *q, const ask_answer *answer,
                      double first_s, double total_s)
{
    const ask_sample *s = &answer->samples[answer->chosen];
    json_t *o = json_object(), *samples = json_array(), *votes = json_array();
    bytes name = { 0 };
    int code;

    model_short_name(a->path.data, &name);
    for (int i = 0; i < answer->n_sample; i++)
        json_array_append_new(samples, sample_json(&answer->samples[i]));
    for (int i = 0; i < answer->n_vote; i++) {
        const ask_vote *v = &answer->votes[i];
        json_t *vote = json_object();

        json_object_set_new(vote, "final", text_json(v->final, strlen(v->final)));
        json_object_set_new(vote, "count", json_integer(v->count));
        json_array_append_new(votes, vote);
    }
    json_object_set_new(o, "model", text_json(name.data, name.len));
    json_object_set_new(o, "path", text_json(a->path.data, a->path.len));
    json_object_set_new(o, "answer", text_json(s->text, s->text_len));
    json_object_set_new(o, "reasoning", text_json(s->reasoning, s->reasoning_len));
    json_object_set_new(o, "final", final_json(s));
    json_object_set_new(o, "finish", json_string(finish_name(s->finish)));
    json_object_set_new(o, "usage", usage_json(&answer->usage));
    json_object_set_new(o, "seed", json_integer((json_int_t)q->sampler.seed));
    json_object_set_new(o, "temperature", json_real(q->sampler.temperature));
    json_object_set_new(o, "load_s", json_real(a->load_s));
    json_object_set_new(o, "first_token_s", json_real(first_s));
    json_object_set_new(o, "total_s", json_real(total_s));
    json_object_set_new(o, "tokens_per_s", json_real(view_rate(answer)));
    json_object_set_new(o, "samples", samples);
    json_object_set_new(o, "votes", votes);
    json_object_set_new(o, "chosen", json_integer(answer->chosen));
    code = json_dumpf(o, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(o);
    bytes_fini(&name);
    return code ? EXIT_TROUBLE : EXIT_FINE;
}

/* No answer, and why: to standard error, or with --json as "finish" and "note". */
static int out_of_scope(asked *a, const char *why)
{
    bytes name = { 0 };
    json_t *o;
    int code;

    if (!a->json) {
        view_note(&a->view, why);
        return EXIT_FINE;
    }
    model_short_name(a->path.data, &name);
    o = json_object();
    json_object_set_new(o, "model", text_json(name.data, name.len));
    json_object_set_new(o, "path", text_json(a->path.data, a->path.len));
    json_object_set_new(o, "answer", json_null());
    json_object_set_new(o, "reasoning", json_null());
    json_object_set_new(o, "final", json_null());
    json_object_set_new(o, "finish", json_string("out_of_scope"));
    json_object_set_new(o, "note", json_string(why));
    code = json_dumpf(o, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(o);
    bytes_fini(&name);
    if (code || fflush(stdout) || ferror(stdout))
        return trouble("cannot write to standard output");
    return EXIT_FINE;
}

/* ---------------------------------------------------------------------- run */

static bool show_event(void *arg, const ask_event *e)
{
    view_event(arg, e);
    return true;
}

static int finish_code(const ask_answer *answer)
{
    const ask_sample *s = &answer->samples[answer->chosen];

    if (process_interrupted) return EXIT_INTERRUPTED;
    if (s->finish == FINISH_ERROR) return trouble(s->error);
    if (fflush(stdout) || ferror(stdout)) return trouble("cannot write to standard output");
    return EXIT_FINE;
}

static int run(asked *a)
{
    reasoner *r = NULL;
    ask_answer answer = { 0 };
    ask_request q;
    double began_s, total_s;
    int code = EXIT_TROUBLE;
    bytes why = { 0 };
    errtext err;

    began_s = process_age_s();
    if (settings_open(&a->s, a->s.model, &r, &a->path, &err) != OK) return trouble(err.text);
    a->load_s = process_age_s() - began_s;
    if (!settings_in_scope(&a->s, r, &a->chat, &why)) {
        code = out_of_scope(a, why.data);
        bytes_fini(&why);
        reasoner_close(r);
        return code;
    }
    q = settings_request(&a->s, r, &a->chat);
    q.cancel = &process_interrupted;
    view_begin(&a->view, q.samples);
    process_catch_interrupt();
    began_s = process_age_s();
    if (ask_run(r, &q, show_event, &a->view, &answer, &err) != OK) {
        trouble(err.text);
    } else {
        double first_s = began_s + answer.first_token_s;

        total_s = process_age_s();
        view_end(&a->view, &answer);
        if (a->json) {
            code = print_json(a, &q, &answer, first_s, total_s);
        } else {
            if (answer.n_sample > 1) view_votes(&a->view, &answer);
            view_usage(&a->view, &answer, first_s, total_s);
            code = EXIT_FINE;
        }
        if (code == EXIT_FINE) code = finish_code(&answer);
        ask_answer_fini(&answer);
    }
    reasoner_close(r);
    return code;
}

int cli_ask(int argc, char **argv)
{
    asked a = { 0 };
    option_spec table[SETTINGS_MAX_OPTION + 3];
    options_end end;
    errtext err;
    status st;
    int n, code;

    settings_init(&a.s);
    n = settings_options(&a.s, table);
    table[n++] = (option_spec){ .name = "file", .letter = 'f', .kind = OPTION_TEXTS,
                                .to = &a.files };
    table[n++] = (option_spec){ .name = "samples", .letter = 'n', .kind = OPTION_INT,
                                .to = &a.s.samples, .low = 1, .high = ASK_MAX_SAMPLES };
    table[n++] = (option_spec){ .name = "json", .kind = OPTION_FLAG, .to = &a.json };
    end = options_parse(command, table, n, argc, argv, &a.words);
    code = EXIT_USAGE;
    if (end == OPTIONS_HELP) {
        fputs(help, stdout);
        fputs(settings_help, stdout);
        code = EXIT_FINE;
    } else if (end == OPTIONS_OK && settings_check(&a.s, command)) {
        view_init(&a.view, settings_thinking(&a.s), a.json);
        st = build_chat(&a, &err);
        if (st != OK) {
            trouble(err.text);
            code = st == E_ARG ? EXIT_USAGE : EXIT_TROUBLE;
        } else {
            code = run(&a);
        }
    }
    view_fini(&a.view);
    chat_fini(&a.chat);
    bytes_fini(&a.path);
    text_list_fini(&a.files);
    text_list_fini(&a.words);
    settings_fini(&a.s);
    return code;
}
