/* chart.c - the drawing.
 *
 * Series differ in colour and in marker, so that neither alone must be told
 * apart. Colours are classes of one style sheet, the same in every chart: light
 * by default, dark where the reader asks for it. */
#include "train/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "train/axis.h"
#include "train/markup.h"

#define WIDTH 720
#define LEFT 76              /* of the plot, pixels */
#define RIGHT 696
#define TOP 44
#define BOTTOM 364
#define LEGEND (BOTTOM + 66) /* base line of the first entry */
#define LEGEND_STEP 20
#define N_COLOUR 6
#define N_MARKER 4
#define MAX_VALUE 1e300      /* above it differences leave f64 */

static const char style[] =
    "<style>"
    ".pc-paper{fill:#fff}.pc-ink{fill:#1c1c1e}.pc-soft{fill:#55555c}"
    ".pc-grid{stroke:#e4e4e9}.pc-axis{stroke:#8a8a92}"
    ".pc-l0{stroke:#0067b1}.pc-l1{stroke:#c24a00}.pc-l2{stroke:#14794a}"
    ".pc-l3{stroke:#8436ab}.pc-l4{stroke:#b3261e}.pc-l5{stroke:#6a6200}"
    ".pc-f0{fill:#0067b1}.pc-f1{fill:#c24a00}.pc-f2{fill:#14794a}"
    ".pc-f3{fill:#8436ab}.pc-f4{fill:#b3261e}.pc-f5{fill:#6a6200}"
    "@media (prefers-color-scheme:dark){"
    ".pc-paper{fill:#1b1b1f}.pc-ink{fill:#ededf2}.pc-soft{fill:#b4b4bd}"
    ".pc-grid{stroke:#35353c}.pc-axis{stroke:#85858f}"
    ".pc-l0{stroke:#6cb4ff}.pc-l1{stroke:#ff9e57}.pc-l2{stroke:#5bd092}"
    ".pc-l3{stroke:#d69cf4}.pc-l4{stroke:#ff8d84}.pc-l5{stroke:#d2cb55}"
    ".pc-f0{fill:#6cb4ff}.pc-f1{fill:#ff9e57}.pc-f2{fill:#5bd092}"
    ".pc-f3{fill:#d69cf4}.pc-f4{fill:#ff8d84}.pc-f5{fill:#d2cb55}"
    "}</style>\n";

/* Points that can be drawn, by x. */
typedef struct drawn {
    chart_point *points;
    int n;
    stats_fit fit;
    double fit_low, fit_high;    /* x of the fit's ends */
} drawn;

static bool usable(const chart *c, const chart_point *p)
{
    return fabs(p->x) < MAX_VALUE && fabs(p->y) < MAX_VALUE &&
           (c->x_scale == CHART_LINEAR || p->x > 0);
}

static bool has_interval(const chart_point *p)
{
    return p->low < p->high && fabs(p->low) < MAX_VALUE && fabs(p->high) < MAX_VALUE;
}

static int by_x(const void *a, const void *b)
{
    double x = ((const chart_point *)a)->x, y = ((const chart_point *)b)->x;

    return (x > y) - (x < y);
}

static bool in_fit(const chart_series *s, double x)
{
    return (s->fit_low == 0 && s->fit_high == 0) || (x >= s->fit_low && x <= s->fit_high);
}

static drawn draw_series(const chart *c, const chart_series *s)
{
    drawn d = { .points = mem_array((size_t)s->n + 1, sizeof *d.points) };
    double *x = mem_array((size_t)s->n + 1, sizeof *x);
    double *y = mem_array((size_t)s->n + 1, sizeof *y);
    int n = 0;

    for (int i = 0; i < s->n; i++)
        if (usable(c, &s->points[i])) d.points[d.n++] = s->points[i];
    qsort(d.points, (size_t)d.n, sizeof *d.points, by_x);
    for (int i = 0; i < d.n; i++) {
        if (!in_fit(s, d.points[i].x)) continue;
        x[n] = d.points[i].x;
        y[n++] = d.points[i].y;
    }
    d.fit = c->x_scale == CHART_LINEAR ? stats_line(x, y, n) : stats_line_log2(x, y, n);
    d.fit_low = n ? x[0] : 0;
    d.fit_high = n ? x[n - 1] : 0;
    mem_free(x);
    mem_free(y);
    return d;
}

stats_fit chart_fit(const chart *c, const chart_series *s)
{
    drawn d = draw_series(c, s);

    mem_free(d.points);
    return d.fit;
}

/* The two axes, over all points and intervals. */
static bool find_axes(const chart *c, const drawn *series, axis *x, axis *y)
{
    double low_x = INFINITY, high_x = -INFINITY, low_y = INFINITY, high_y = -INFINITY;
    bool any = false;

    for (int i = 0; i < c->n_series; i++)
        for (int k = 0; k < series[i].n; k++) {
            const chart_point *p = &series[i].points[k];
            bool interval = has_interval(p);

            any = true;
            low_x = fmin(low_x, p->x);
            high_x = fmax(high_x, p->x);
            low_y = fmin(low_y, interval ? fmin(p->low, p->y) : p->y);
            high_y = fmax(high_y, interval ? fmax(p->high, p->y) : p->y);
        }
    if (!any) low_x = c->x_scale == CHART_LINEAR ? 0 : 1, high_x = 2, low_y = 0, high_y = 1;
    if (c->zero) low_y = fmin(low_y, 0), high_y = fmax(high_y, 0);
    axis_init(x, c->x_scale, low_x, high_x, true, false, LEFT, RIGHT);
    /* A share shows no room below 0 or above 1; an axis from 0 stands on it. */
    if ((c->zero && low_y >= 0) || (c->percent && low_y >= 0 && high_y <= 1)) {
        double room = 0.04 * (high_y - low_y), top = high_y + room;

        if (c->percent) top = fmin(top, fmax(high_y, 1));
        if (!(high_y > low_y)) low_y = fmin(low_y, 0), top = high_y > 0 ? high_y * 1.1 : 1;
        if (c->percent && !c->zero) low_y = fmax(0, low_y - room);
        axis_init(y, CHART_LINEAR, low_y, top, false, c->percent, BOTTOM, TOP);
    } else {
        axis_init(y, CHART_LINEAR, low_y, high_y, true, c->percent, BOTTOM, TOP);
    }
    return any;
}

static void add_label(bytes *out, const char *label, const char *unit, int max_chars)
{
    bytes text = { 0 };

    if (label) bytes_add_string(&text, label);
    if (unit && *unit) bytes_add_format(&text, text.len ? " (%s)" : "%s", unit);
    markup_add_cut(out, text.data, max_chars);
    bytes_fini(&text);
}

static void add_frame(bytes *out, const chart *c, const axis *x, const axis *y)
{
    for (int i = 0; i < y->n_tick; i++)
        bytes_add_format(out,
                         "<line class=\"pc-grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                         "<text class=\"pc-soft\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s"
                         "</text>\n",
                         LEFT, RIGHT, y->ticks[i].pixel, y->ticks[i].pixel, LEFT - 8,
                         y->ticks[i].pixel + 4, y->ticks[i].text);
    for (int i = 0; i < x->n_tick; i++)
        bytes_add_format(out,
                         "<line class=\"pc-grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
                         "<text class=\"pc-soft\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s"
                         "</text>\n",
                         x->ticks[i].pixel, x->ticks[i].pixel, TOP, BOTTOM, x->ticks[i].pixel,
                         BOTTOM + 18, x->ticks[i].text);
    bytes_add_format(out, "<path class=\"pc-axis\" fill=\"none\" d=\"M%d %dV%dH%d\"/>\n", LEFT,
                     TOP, BOTTOM, RIGHT);
    bytes_add_format(out, "<text class=\"pc-ink\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
                     (LEFT + RIGHT) / 2, BOTTOM + 38);
    add_label(out, c->x_label, c->x_unit, 90);
    bytes_add_format(out,
                     "</text>\n<text class=\"pc-ink\" x=\"18\" y=\"%d\" text-anchor=\"middle\" "
                     "transform=\"rotate(-90 18 %d)\">",
                     (TOP + BOTTOM) / 2, (TOP + BOTTOM) / 2);
    add_label(out, c->y_label, c->y_unit, 52);
    bytes_add_string(out, "</text>\n");
}

static void add_marker(bytes *out, int index, double x, double y)
{
    int colour = index % N_COLOUR;

    switch (index % N_MARKER) {
    case 0:
        bytes_add_format(out, "<circle class=\"pc-f%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.6\">",
                         colour, x, y);
        break;
    case 1:
        bytes_add_format(out, "<path class=\"pc-f%d\" d=\"M%.1f %.1fh6.6v6.6h-6.6z\">", colour,
                         x - 3.3, y - 3.3);
        break;
    case 2:
        bytes_add_format(out, "<path class=\"pc-f%d\" d=\"M%.1f %.1fl4.3 7.4h-8.6z\">", colour,
                         x, y - 4.6);
        break;
    default:
        bytes_add_format(out, "<path class=\"pc-f%d\" d=\"M%.1f %.1fl4.6 4.6l-4.6 4.6l-4.6 "
                         "-4.6z\">", colour, x, y - 4.6);
    }
}

static void close_marker(bytes *out, int index)
{
    bytes_add_string(out, index % N_MARKER ? "</path>" : "</circle>");
}

/* "3.25%" or "3.25" */
static void value_text(char out[32], const chart *c, double v)
{
    char number[24];

    axis_number(number, c->percent ? 100 * v : v, 4);
    snprintf(out, 32, "%s%s", number, c->percent ? "%" : "");
}

/* What a pointer held over the marker reads. */
static void add_tip(bytes *out, const chart *c, const chart_series *s, const chart_point *p)
{
    char x[24], y[32], low[32], high[32];

    axis_number(x, p->x, 6);
    value_text(y, c, p->y);
    bytes_add_string(out, "<title>");
    markup_add_cut(out, s->name, 60);
    bytes_add_format(out, "%s%s: %s", s->name && *s->name ? ", " : "", x, y);
    if (has_interval(p)) {
        value_text(low, c, p->low);
        value_text(high, c, p->high);
        bytes_add_format(out, " [%s to %s]", low, high);
    }
    bytes_add_string(out, "</title>");
}

static void add_band(bytes *out, const drawn *d, int index, const axis *x, const axis *y)
{
    int n = 0;

    for (int i = 0; i < d->n; i++) n += has_interval(&d->points[i]);
    if (!n) return;
    bytes_add_format(out, "<path class=\"pc-f%d\" fill-opacity=\"0.18\" d=\"",
                     index % N_COLOUR);
    n = 0;
    for (int i = 0; i < d->n; i++) {
        const chart_point *p = &d->points[i];

        if (has_interval(p))
            bytes_add_format(out, "%c%.1f %.1f", n++ ? 'L' : 'M', axis_pixel(x, p->x),
                             axis_pixel(y, p->high));
    }
    for (int i = d->n - 1; i >= 0; i--) {
        const chart_point *p = &d->points[i];

        if (has_interval(p))
            bytes_add_format(out, "L%.1f %.1f", axis_pixel(x, p->x), axis_pixel(y, p->low));
    }
    bytes_add_string(out, "z\"/>\n");
}

static void add_bars(bytes *out, const drawn *d, int index, const axis *x, const axis *y)
{
    int n = 0;

    for (int i = 0; i < d->n; i++) {
        const chart_point *p = &d->points[i];
        double at, low, high;

        if (!has_interval(p)) continue;
        if (!n++)
            bytes_add_format(out, "<path class=\"pc-l%d\" fill=\"none\" stroke-width=\"1.2\" "
                             "d=\"", index % N_COLOUR);
        at = axis_pixel(x, p->x);
        low = axis_pixel(y, p->low);
        high = axis_pixel(y, p->high);
        bytes_add_format(out, "M%.1f %.1fV%.1fM%.1f %.1fh7M%.1f %.1fh7", at, low, high, at - 3.5,
                         low, at - 3.5, high);
    }
    if (n) bytes_add_string(out, "\"/>\n");
}

static void add_curve(bytes *out, const drawn *d, int index, const axis *x, const axis *y)
{
    if (d->n < 2) return;
    bytes_add_format(out, "<path class=\"pc-l%d\" fill=\"none\" stroke-width=\"1.8\" "
                     "stroke-linejoin=\"round\" d=\"", index % N_COLOUR);
    for (int i = 0; i < d->n; i++)
        bytes_add_format(out, "%c%.1f %.1f", i ? 'L' : 'M', axis_pixel(x, d->points[i].x),
                         axis_pixel(y, d->points[i].y));
    bytes_add_string(out, "\"/>\n");
}

static double fit_at(const chart *c, const stats_fit *f, double x)
{
    return f->a + f->b * (c->x_scale == CHART_LINEAR ? x : log2(x));
}

/* Straight on the axes it was fitted on; what leaves the plot is cut off. */
static void add_fit(bytes *out, const chart *c, const drawn *d, int index, const axis *x,
                    const axis *y)
{
    double x0, y0, x1, y1, from = 0, to = 1;

    if (!isfinite(d->fit.b)) return;
    x0 = axis_pixel(x, d->fit_low);
    x1 = axis_pixel(x, d->fit_high);
    y0 = axis_pixel(y, fit_at(c, &d->fit, d->fit_low));
    y1 = axis_pixel(y, fit_at(c, &d->fit, d->fit_high));
    if (y0 != y1) {
        double top = (TOP - y0) / (y1 - y0), bottom = (BOTTOM - y0) / (y1 - y0);

        from = fmax(from, fmin(top, bottom));
        to = fmin(to, fmax(top, bottom));
    }
    if (from >= to) return;
    bytes_add_format(out,
                     "<path class=\"pc-l%d\" fill=\"none\" stroke-width=\"1.6\" "
                     "stroke-dasharray=\"6 4\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n",
                     index % N_COLOUR, x0 + from * (x1 - x0), y0 + from * (y1 - y0),
                     x0 + to * (x1 - x0), y0 + to * (y1 - y0));
}

/* "y = 2.8% + 10.4% log2(x), R2 = 0.961, n = 7" */
static void fit_text(bytes *out, const chart *c, const stats_fit *f)
{
    bool down = f->b < 0;
    char a[32], b[32], r2[24];

    if (!isfinite(f->b)) {
        bytes_add_string(out, "no line: fewer than two values of x");
        return;
    }
    axis_number(a, c->percent ? 100 * f->a : f->a, 3);
    axis_number(b, fabs(c->percent ? 100 * f->b : f->b), 3);
    snprintf(r2, sizeof r2, "%.3f", f->r2);
    bytes_add_format(out, "y = %s%s %s %s%s %s, R\xc2\xb2 = %s, n = %d", a,
                     c->percent ? "%" : "", down ? "\xe2\x88\x92" : "+", b,
                     c->percent ? "%" : "",
                     c->x_scale == CHART_LINEAR ? "x" : "log\xe2\x82\x82(x)", r2, f->n);
}

static int characters(const char *s)
{
    int n = 0;

    for (; *s; s++) n += (*s & 0xc0) != 0x80;
    return n;
}

static void add_legend(bytes *out, const chart *c, const drawn *d, int index)
{
    const chart_series *s = &c->series[index];
    int y = LEGEND + index * LEGEND_STEP;
    bytes fit = { 0 };
    bool named = s->name && *s->name;

    if (!s->dots)
        bytes_add_format(out, "<path class=\"pc-l%d\" fill=\"none\" stroke-width=\"1.8\" "
                         "d=\"M%d %dh28\"/>", index % N_COLOUR, LEFT, y - 4);
    if (!s->plain) {
        add_marker(out, index, LEFT + 14, y - 4);
        close_marker(out, index);
    }
    bytes_add_format(out, "<text class=\"pc-ink\" x=\"%d\" y=\"%d\">", LEFT + 38, y);
    if (s->fit) fit_text(&fit, c, &d->fit);
    markup_add_cut(out, s->name, fit.len ? 96 - characters(fit.data) : 92);
    if (fit.len) bytes_add_format(out, "%s%s", named ? ":  " : "", fit.data);
    bytes_add_string(out, "</text>\n");
    bytes_fini(&fit);
}

void chart_svg(const chart *c, bytes *out)
{
    drawn *series = mem_array((size_t)c->n_series + 1, sizeof *series);
    int height = LEGEND + LEGEND_STEP * (c->n_series > 1 ? c->n_series - 1 : 0) + 16;
    axis x, y;
    bool any;

    for (int i = 0; i < c->n_series; i++) series[i] = draw_series(c, &c->series[i]);
    any = find_axes(c, series, &x, &y);
    bytes_add_format(out,
                     "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pc\" role=\"img\" "
                     "viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
                     "font-family=\"system-ui, sans-serif\" font-size=\"12\">\n",
                     WIDTH, height, WIDTH, height);
    bytes_add_string(out, "<title>");
    markup_add(out, c->title);
    bytes_add_string(out, "</title>\n");
    bytes_add_string(out, style);
    bytes_add_format(out, "<rect class=\"pc-paper\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n",
                     WIDTH, height);
    bytes_add_format(out, "<text class=\"pc-ink\" x=\"%d\" y=\"26\" font-size=\"15\" "
                     "font-weight=\"600\">", LEFT);
    markup_add_cut(out, c->title, 76);
    bytes_add_string(out, "</text>\n");
    add_frame(out, c, &x, &y);
    if (!any)
        bytes_add_format(out, "<text class=\"pc-soft\" x=\"%d\" y=\"%d\" "
                         "text-anchor=\"middle\">no data</text>\n", (LEFT + RIGHT) / 2,
                         (TOP + BOTTOM) / 2);
    for (int i = 0; i < c->n_series; i++)
        if (c->series[i].band) add_band(out, &series[i], i, &x, &y);
    for (int i = 0; i < c->n_series; i++) {
        const chart_series *s = &c->series[i];

        if (!s->band) add_bars(out, &series[i], i, &x, &y);
        if (!s->dots) add_curve(out, &series[i], i, &x, &y);
        if (s->fit) add_fit(out, c, &series[i], i, &x, &y);
        for (int k = 0; !s->plain && k < series[i].n; k++) {
            const chart_point *p = &series[i].points[k];

            add_marker(out, i, axis_pixel(&x, p->x), axis_pixel(&y, p->y));
            add_tip(out, c, s, p);
            close_marker(out, i);
            bytes_add_char(out, '\n');
        }
    }
    for (int i = 0; i < c->n_series; i++) {
        add_legend(out, c, &series[i], i);
        mem_free(series[i].points);
    }
    mem_free(series);
    bytes_add_string(out, "</svg>\n");
}

status chart_write(const chart *c, const char *path, errtext *err)
{
    bytes out = { 0 };
    status st;

    bytes_add_string(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    chart_svg(c, &out);
    st = file_replace(path, out.data, out.len, err);
    bytes_fini(&out);
    return st;
}
