/* view.c - a person watches a model think and answer. */
#include "cli/view.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define DRAW_S 0.1                   /* between two drawings of the live line */
#define MAX_BAR 40
#define MAX_NOTE 80                  /* columns of a paragraph */
#define MAX_WIDE 40                  /* columns of a final answer among the votes */

void view_init(view *v, view_thinking thinking, bool silent)
{
    *v = (view){ .thinking = thinking, .silent = silent };
    terminal_init(&v->out, stdout);
    terminal_init(&v->err, stderr);
}

void view_fini(view *v)
{
    mem_free(v->n_token);
    v->n_token = NULL;
}

void view_begin(view *v, int n_sample)
{
    view_fini(v);
    v->n_token = mem_array((size_t)n_sample, sizeof *v->n_token);
    v->n_sample = n_sample;
    v->n_done = v->n_thought = 0;
    v->at = VIEW_NOTHING;
    v->drawn_s = 0;
}

static bool time_to_draw(view *v)
{
    double now = clock_s();

    if (!v->err.tty || now - v->drawn_s < DRAW_S) return false;
    v->drawn_s = now;
    return true;
}

/* Thinking begins or ends. Without colour two lines say so in words. */
static void begin_thought(view *v)
{
    v->at = VIEW_THOUGHT;
    if (v->thinking != VIEW_SHOW) return;
    if (!v->err.colour) terminal_print(&v->err, "--- thinking ---\n");
    terminal_dim(&v->err, true);
}

static void end_thought(view *v)
{
    if (v->at != VIEW_THOUGHT) return;
    terminal_live_end(&v->err);
    terminal_end_line(&v->err);
    terminal_dim(&v->err, false);
    if (v->thinking == VIEW_SHOW)
        terminal_print(&v->err, v->err.colour ? "\n" : "--- answer ---\n");
    if (v->thinking == VIEW_FOLD) {
        terminal_dim(&v->err, true);
        terminal_print(&v->err, "thought for %d tokens\n", v->n_thought);
        terminal_dim(&v->err, false);
    }
    fflush(v->err.file);
}

static void show_thought(view *v, const char *text, size_t len)
{
    if (v->at == VIEW_NOTHING) begin_thought(v);
    if (v->thinking == VIEW_SHOW) terminal_text(&v->err, text, len);
    else if (time_to_draw(v)) terminal_live(&v->err, "thinking... %d tokens", v->n_thought);
}

static void show_answer(view *v, const char *text, size_t len)
{
    if (!len) return;
    end_thought(v);
    v->at = VIEW_ANSWER;
    terminal_text(&v->out, text, len);
}

/* Of many samples only how far they are. */
static void show_progress(view *v)
{
    int sum = 0;

    if (!time_to_draw(v)) return;
    for (int i = 0; i < v->n_sample; i++) sum += v->n_token[i];
    terminal_live(&v->err, "%d of %d samples done, %d tokens", v->n_done, v->n_sample, sum);
}

void view_event(view *v, const ask_event *e)
{
    if (e->kind == ASK_END) v->n_done++;
    v->n_token[e->sample] = e->n_token;
    v->n_thought = e->n_reasoning;
    if (v->silent) return;
    if (v->n_sample > 1) {
        show_progress(v);
    } else if (e->kind == ASK_REASONING) {
        show_thought(v, e->text, e->len);
    } else if (e->kind == ASK_ANSWER) {
        show_answer(v, e->text, e->len);
    }
}

void view_end(view *v, const ask_answer *a)
{
    const ask_sample *s = &a->samples[a->chosen];

    if (v->silent) return;
    terminal_live_end(&v->err);
    if (v->n_sample > 1) {
        v->n_thought = s->usage.reasoning;
        if (s->usage.reasoning) show_thought(v, s->reasoning, s->reasoning_len);
        show_answer(v, s->text, s->text_len);
    }
    end_thought(v);
    terminal_end_line(&v->out);
    fflush(v->out.file);
}

/* -------------------------------------------------------------------- votes */

/* Columns, near enough: one a character. */
static int columns(const char *text)
{
    int n = 0;

    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* Bytes of the first so many characters. */
static size_t first_columns(const char *text, int n)
{
    size_t i = 0;

    for (; text[i]; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80 && n-- == 0) break;
    return i;
}

static void print_vote(view *v, const char *final, int count, int most, int wide, int room)
{
    terminal *t = &v->err;
    char bar[MAX_BAR + 1];
    int n = (count * room + most - 1) / most, pad = wide - columns(final);

    memset(bar, '#', sizeof bar);
    terminal_print(t, "  ");
    terminal_text(t, final, first_columns(final, wide));
    terminal_print(t, "%*s  %4d  %.*s\n", pad > 0 ? pad : 0, "", count, n, bar);
}

void view_votes(view *v, const ask_answer *a)
{
    int none = a->n_sample, wide = 6, room, most = 1;

    for (int i = 0; i < a->n_vote; i++) {
        int n = columns(a->votes[i].final);

        none -= a->votes[i].count;
        if (n > wide) wide = n;
        if (a->votes[i].count > most) most = a->votes[i].count;
    }
    if (none > most) most = none;
    if (none && wide < 17) wide = 17;
    if (wide > MAX_WIDE) wide = MAX_WIDE;
    room = terminal_width(&v->err) - wide - 10;
    if (room > MAX_BAR) room = MAX_BAR;
    if (room < 1) room = 1;
    terminal_dim(&v->err, true);
    terminal_print(&v->err, "\nvotes of %d samples\n", a->n_sample);
    for (int i = 0; i < a->n_vote; i++)
        print_vote(v, a->votes[i].final, a->votes[i].count, most, wide, room);
    if (none) print_vote(v, "(no final answer)", none, most, wide, room);
    terminal_dim(&v->err, false);
}

/* -------------------------------------------------------------------- usage */

double view_rate(const ask_answer *a)
{
    double s = a->total_s - a->first_token_s;

    return a->usage.completion > 1 && s > 0 ? (a->usage.completion - 1) / s : 0;
}

/* What a reader of the answer should know about its end, or "". */
static const char *remark(const ask_sample *s)
{
    switch (s->finish) {
    case FINISH_LENGTH:
        return s->report.starved ? "; cut off at the limit before the answer was whole"
                                 : "; cut off at the limit";
    case FINISH_REPETITION: return "; stopped: it repeated itself";
    case FINISH_CANCELLED: return "; interrupted";
    case FINISH_ERROR: return "; failed";
    default: break;
    }
    switch (s->report.closed_by) {
    case CLOSE_BUDGET: return "; thinking ended by its budget";
    case CLOSE_LIMIT: return "; thinking ended to leave room for the answer";
    case CLOSE_LOOP: return "; thinking ended: it went in circles";
    default: return "";
    }
}

void view_usage(view *v, const ask_answer *a, double first_s, double total_s)
{
    const ask_usage *u = &a->usage;

    terminal_dim(&v->err, true);
    terminal_print(&v->err, "\n%.1f s, first token after %.2f s; tokens: %d prompt (%d cached), "
                   "%d reasoning, %d answer; %.1f tokens/s%s", total_s, first_s, u->prompt,
                   u->cached, u->reasoning, u->answer, view_rate(a),
                   remark(&a->samples[a->chosen]));
    terminal_dim(&v->err, false);
    terminal_print(&v->err, "\n");
    fflush(v->err.file);
}

/* -------------------------------------------------------------------- notes */

void view_note(view *v, const char *text)
{
    int wide = terminal_width(&v->err), at = 0;

    if (wide > MAX_NOTE) wide = MAX_NOTE;
    for (const char *from = text; *from;) {
        size_t len = strcspn(from, " \n");
        int n = columns(from) - columns(from + len);

        if (at > 0 && at + 1 + n > wide) {
            terminal_print(&v->err, "\n");
            at = 0;
        }
        if (at > 0) terminal_print(&v->err, " ");
        terminal_text(&v->err, from, len);
        at += n + (at > 0);
        from += len + strspn(from + len, " \n");
    }
    terminal_print(&v->err, "\n");
    fflush(v->err.file);
}
