#!/usr/bin/env python3
"""Figures of the recipe, from what `ponder eval` measured (bench/recipe.sh calls this).

Every share is taken on the test split, over three seeds. Shares of several cells are
averaged cell by cell. A figure's line is followed by its 95 % interval (standard
errors of the shares, which count problems, added as of independent ones: the models
answer the same problems, so intervals of gains are on the wide side), the value of
each seed, and what stands beside it.

  nano_think_over_direct    after RL: greedy accuracy with thinking over without, on the
                            cells of chain, perm and arith, depth 1 to 6, where without
                            thinking less than 30 % are right (_strings: of strings)
  nano_rl_gain_t1, _greedy  after minus before RL, chain, perm and arith at depth 5 and 6
  nano_rl_loss_inside       before minus after, on the cells of depth 1 to 4 that were
                            mastered before (greedy 90 % or more); the worse of greedy
                            and T=1
  nano_lucky_rise           after minus before, share of right answers at T=1 whose trace
                            has a false step; the largest rise of depth 1 to 4, 5 and 6
  nano_process_accuracy     after RL, true steps of all steps at T=1, depth 1 to 4
  nano_search_margin        after RL, Countdown of 3 and 4 numbers: found within 2, 4, 8
                            and 16 attempts, minus blind search with as many
  nano_budget_doublings     after RL, Countdown of 4: over how many doublings of thinking
                            tokens (spent, mean) accuracy lies on a rising line over
                            their log2 with an R2 of 0.95 (_fit_r2: that R2)
  nano_rl_doublings         the same over the tokens sampled and trained on during RL, R2
                            of 0.9, mean accuracy at T=1 of the run's validation cells
  nano_cons64_gain          after RL, chain, perm, arith at depth 5 and 6: majority of 64
                            minus pass@1 at T=1
  nano_rerank16_gain        after RL, Countdown of 4: best of 16 by the verifier minus
                            pass@1; blind search with as many attempts beside it
  compose_depth2_gain       two held-out functions, T=1: after minus before
  compose_depth3            three of them, T=1, after (_unseen: of the four functions
                            that were never composed at all)
  logprob_max_diff          sampler against trainer, largest of all steps of the run
"""

import argparse
import json
import math
import sys

FAMILIES = ("chain", "perm", "arith")
Z95 = 1.959964


def say(text):
    print(text, flush=True)


class Figures:
    def __init__(self):
        self.n = 0

    def put(self, name, value, unit, *beside):
        self.n += 1
        say(f"figure {name} {value:.6g} {unit}")
        for line in beside:
            if line:
                say(f"    {line}")


# ---------------------------------------------------------------------- shares

def load(path):
    with open(path, encoding="utf-8") as f:
        return {s["name"]: s for s in json.load(f)["sections"]}


def cell_names(depths):
    return [f"{family} {d}" for family in FAMILIES for d in depths]


def error(share):
    return (share["high"] - share["low"]) / (2 * Z95)


class Mean:
    """The mean of some shares, with its standard error and each seed's own."""

    def __init__(self, shares):
        n = len(shares)
        self.value = sum(s["right"] for s in shares) / n
        self.error = math.sqrt(sum(error(s) ** 2 for s in shares)) / n
        self.seeds = [sum(s["seeds"][k] for s in shares) / n
                      for k in range(min(len(s["seeds"]) for s in shares))]
        self.n = sum(s["n"] for s in shares)

    def minus(self, other):
        d = Mean.__new__(Mean)
        d.value = self.value - other.value
        d.error = math.hypot(self.error, other.error)
        d.seeds = [a - b for a, b in zip(self.seeds, other.seeds)]
        d.n = self.n
        return d

    def beside(self):
        low, high = self.value - Z95 * self.error, self.value + Z95 * self.error
        return (f"95 % [{100 * low:.1f}, {100 * high:.1f}]; seeds "
                + ", ".join(f"{100 * s:.1f}" for s in self.seeds) + f"; {self.n} problems")


def mean_of(section, names, measure, key=None):
    shares = []
    for name in names:
        share = section["cells"][name][measure]
        shares.append(share[key] if key else share)
    return Mean(shares)


def percent(x):
    return f"{100 * x:.1f}"


# ------------------------------------------------------------------------ lines

def line(xs, ys):
    """Least squares over log2(x): slope, offset, R2."""
    xs = [math.log2(x) for x in xs]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    xx = sum((x - mx) ** 2 for x in xs)
    if xx == 0:
        return 0.0, my, 0.0
    b = sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / xx
    a = my - b * mx
    total = sum((y - my) ** 2 for y in ys)
    left = sum((y - a - b * x) ** 2 for x, y in zip(xs, ys))
    return b, a, 1 - left / total if total > 0 else 0.0


def rise(xs, ys, min_r2):
    """(doublings, R2, first, last) of the longest stretch of four points or more on a
    rising line with that R2; of all points where there is none."""
    best = None
    for i in range(len(xs)):
        for j in range(i + 3, len(xs)):
            b, _, r2 = line(xs[i:j + 1], ys[i:j + 1])
            doublings = math.log2(xs[j] / xs[i])
            if b > 0 and r2 >= min_r2 and (best is None or doublings > best[0]):
                best = (doublings, r2, i, j)
    return best


def put_rise(figures, name, xs, ys, min_r2, what):
    found = rise(xs, ys, min_r2)
    points = "  ".join(f"{x:.4g}: {100 * y:.1f}" for x, y in zip(xs, ys))
    if len(xs) < 2:
        say(f"left out {name}: {len(xs)} points")
        return
    b, a, r2 = line(xs, ys)
    whole = (f"all {len(xs)} points: {math.log2(xs[-1] / xs[0]):.2f} doublings, "
             f"{100 * b:.2f} points a doubling, R2 {r2:.3f}")
    points = f"{what}: accuracy in %: {points}"
    if not found:
        figures.put(f"{name}_doublings", 0, "doublings", f"no four points on a rising line with "
                    f"R2 {min_r2}", whole, points)
        figures.put(f"{name}_fit_r2", max(r2, 0), "R2", "of all points")
        return
    b, a, _ = line(xs[found[2]:found[3] + 1], ys[found[2]:found[3] + 1])
    figures.put(f"{name}_doublings", found[0], "doublings",
                f"from {xs[found[2]]:.4g} to {xs[found[3]]:.4g} tokens, "
                f"{100 * a:.1f} + {100 * b:.2f} log2(tokens) %", whole, points)
    figures.put(f"{name}_fit_r2", found[1], "R2")


# ---------------------------------------------------------------------- figures

def think_over_direct(figures, rl):
    cells = {**rl["inside"]["cells"], **rl["beyond"]["cells"]}
    for suffix, of in (("", {n: cells[n] for n in cell_names(range(1, 7))}),
                       ("_strings", rl["strings"]["cells"])):
        used = [n for n, c in of.items() if c["direct"]["right"] < 0.3]
        if not used:
            say(f"left out nano_think_over_direct{suffix}: no cell below 30 % without thinking")
            continue
        think, direct = (Mean([of[n][m] for n in used]) for m in ("greedy", "direct"))
        if direct.value == 0:
            say(f"left out nano_think_over_direct{suffix}: nothing is right without thinking")
            continue
        ratio = think.value / direct.value
        spread = math.hypot(think.error / max(think.value, 1e-9), direct.error / direct.value)
        seeds = ", ".join(f"{a / b:.1f}" if b else "-" for a, b in zip(think.seeds, direct.seeds))
        figures.put(f"nano_think_over_direct{suffix}", ratio, "ratio",
                    f"95 % [{ratio * math.exp(-Z95 * spread):.2f}, "
                    f"{ratio * math.exp(Z95 * spread):.2f}]; seeds {seeds}; {think.n} problems",
                    f"thinking {percent(think.value)} %, direct {percent(direct.value)} %",
                    "cells, direct and thinking: " + "; ".join(
                        f"{n} {percent(of[n]['direct']['right'])} "
                        f"{percent(of[n]['greedy']['right'])}" for n in used))


def gains(figures, sft, rl):
    for measure, name in (("t1", "t1"), ("greedy", "greedy")):
        after, before = (mean_of(m["beyond"], cell_names((5, 6)), measure) for m in (rl, sft))
        gain = after.minus(before)
        parts = []
        for depth in (5, 6):
            d = (mean_of(rl["beyond"], cell_names((depth,)), measure)
                 .minus(mean_of(sft["beyond"], cell_names((depth,)), measure)))
            parts.append(f"depth {depth} {100 * d.value:+.1f}")
        for cell in cell_names((5, 6)):
            a, b = (m["beyond"]["cells"][cell][measure]["right"] for m in (rl, sft))
            parts.append(f"{cell} {percent(b)} -> {percent(a)}")
        figures.put(f"nano_rl_gain_{name}", 100 * gain.value, "points", gain.beside(),
                    f"from {percent(before.value)} to {percent(after.value)} %; "
                    + "; ".join(parts))


def inside(figures, sft, rl):
    of = sft["inside"]["cells"]
    mastered = [n for n in cell_names(range(1, 5)) if of[n]["greedy"]["right"] >= 0.9]
    if not mastered:
        say("left out nano_rl_loss_inside: no cell was mastered before")
        return
    loss = {m: mean_of(sft["inside"], mastered, m).minus(mean_of(rl["inside"], mastered, m))
            for m in ("greedy", "t1")}
    worse = max(loss, key=lambda m: loss[m].value)
    cells = []
    for n in mastered:
        a, b = of[n], rl["inside"]["cells"][n]
        cells.append(f"{n} {percent(a['greedy']['right'])} -> {percent(b['greedy']['right'])} "
                     f"({percent(a['t1']['right'])} -> {percent(b['t1']['right'])})")
    figures.put("nano_rl_loss_inside", 100 * loss[worse].value, "points", loss[worse].beside(),
                f"{worse}; greedy {100 * loss['greedy'].value:+.1f}, T=1 "
                f"{100 * loss['t1'].value:+.1f}", "greedy (T=1): " + "; ".join(cells))


def lucky(figures, sft, rl):
    def pooled(model, section, names):
        cells = [model[section]["cells"][n]["t1"] for n in names]
        right = sum(c["right"] * c["answers"] for c in cells)
        return sum(c["lucky"] * c["answers"] for c in cells) / right if right else 0.0

    rises = []
    for what, section, depths in (("depth 1 to 4", "inside", range(1, 5)),
                                  ("depth 5", "beyond", (5,)), ("depth 6", "beyond", (6,))):
        before, after = (pooled(m, section, cell_names(depths)) for m in (sft, rl))
        rises.append((after - before, f"{what} {percent(before)} -> {percent(after)} %"))
    figures.put("nano_lucky_rise", 100 * max(r for r, _ in rises), "points",
                "; ".join(t for _, t in rises))


def process(figures, sft, rl):
    def share(model, section, depths):
        cells = [model[section]["cells"][n]["t1"] for n in cell_names(depths)]
        steps = sum(c["steps"] for c in cells)
        return sum(c["step_true"] * c["steps"] for c in cells) / max(steps, 1), steps

    value, steps = share(rl, "inside", range(1, 5))
    spread = Z95 * math.sqrt(value * (1 - value) / max(steps, 1))
    figures.put("nano_process_accuracy", 100 * value, "%",
                f"95 % [{100 * (value - spread):.2f}, {100 * (value + spread):.2f}] counting "
                f"steps; {steps} steps",
                f"before RL {100 * share(sft, 'inside', range(1, 5))[0]:.2f} %; depth 5 and 6 "
                f"{100 * share(sft, 'beyond', (5, 6))[0]:.2f} -> "
                f"{100 * share(rl, 'beyond', (5, 6))[0]:.2f} %")


def search(figures, sft, rl):
    keys, cells = ("2", "4", "8", "16"), ("countdown 3", "countdown 4")

    def margin(model, names):
        of = [model["search"]["cells"][n]["attempts"] for n in names]
        # The same problems at every number of attempts: their errors do not average out.
        own = Mean([c["model"][k] for c in of for k in keys])
        blind = Mean([c["random"][k] for c in of for k in keys])
        own.error = sum(error(c["model"][k]) for c in of for k in keys) / (4 * len(of))
        blind.error = sum(error(c["random"][k]) for c in of for k in keys) / (4 * len(of))
        d = own.minus(blind)
        d.n = sum(c["model"]["2"]["n"] for c in of)
        return d

    both = margin(rl, cells)
    lines = []
    for n in cells:
        for title, model in (("before", sft), ("after", rl)):
            of = model["search"]["cells"][n]["attempts"]
            lines.append(f"{n} {title} RL {100 * margin(model, [n]).value:+.1f}: " + "  ".join(
                f"{k}: {percent(of['model'][k]['right'])} ({percent(of['random'][k]['right'])})"
                for k in of["model"]))
    figures.put("nano_search_margin", 100 * both.value, "points", both.beside(),
                "attempts: found (blind search) in %", *lines)


def budget(figures, more):
    of = more["budget"]["cells"]["countdown 4"]["budget"]
    points = [(c["think_tokens"], c["right"], c["random"]["right"], k) for k, c in of.items()]
    used = [points[0]]
    for p in points[1:]:
        if p[0] > used[-1][0] * 1.001:
            used.append(p)
    put_rise(figures, "nano_budget", [p[0] for p in used], [p[1] for p in used], 0.95,
             "thinking tokens")
    say("    allowed tokens: accuracy (blind search, as many attempts) in %: " + "  ".join(
        f"{k}: {percent(y)} ({percent(r)})" for _, y, r, k in points))


def run_curve(figures, path):
    xs, ys, worst, rows = [], [], None, 0
    with open(path, encoding="utf-8") as f:
        for text in f:
            row = json.loads(text)
            if "logprob_max_diff" in row:
                rows += 1
                d = row["logprob_max_diff"]
                worst = d if worst is None or not d <= worst else worst
            if "eval" in row and row["tokens"] > 0:
                xs.append(row["tokens"])
                ys.append(sum(c["t1"]["right"] for c in row["eval"].values()) / len(row["eval"]))
    put_rise(figures, "nano_rl", xs, ys, 0.9, "tokens sampled and trained on")
    if worst is None:
        say("left out logprob_max_diff: the log has none")
    else:
        figures.put("logprob_max_diff", worst, "nats", f"largest of {rows} steps")


def votes(figures, more):
    names = cell_names((5, 6))
    t1, greedy = (mean_of(more["votes"], names, m) for m in ("t1", "greedy"))
    cons = mean_of(more["votes"], names, "cons", "64")
    gain = cons.minus(t1)
    cells = more["votes"]["cells"]
    figures.put("nano_cons64_gain", 100 * gain.value, "points", gain.beside(),
                f"majority of 64 {percent(cons.value)} %, T=1 {percent(t1.value)} %, greedy "
                f"{percent(greedy.value)} %",
                "T=1, greedy, majority: " + "; ".join(
                    f"{n} {percent(cells[n]['t1']['right'])} "
                    f"{percent(cells[n]['greedy']['right'])} "
                    f"{percent(cells[n]['cons']['64']['right'])}" for n in names))


def rerank(figures, more):
    of = more["rerank"]["cells"]["countdown 4"]
    one, best, blind = Mean([of["t1"]]), Mean([of["rerank"]["16"]]), Mean([of["rerank_random"]["16"]])
    gain = best.minus(one)
    figures.put("nano_rerank16_gain", 100 * gain.value, "points", gain.beside(),
                f"best of 16 {percent(best.value)} %, pass@1 {percent(one.value)} %, blind search "
                f"with as many attempts {percent(blind.value)} %")


def compose(figures, sft, rl):
    def of(model, cell, measure="t1"):
        return Mean([model["strings"]["cells"][cell][measure]])

    def both(model, cell):
        return f"{percent(of(model, cell).value)} (greedy {percent(of(model, cell, 'greedy').value)})"

    gain = of(rl, "held-out 2").minus(of(sft, "held-out 2"))
    figures.put("compose_depth2_gain", 100 * gain.value, "points", gain.beside(),
                f"held-out pairs {both(sft, 'held-out 2')} -> {both(rl, 'held-out 2')} %; composed "
                f"in fine-tuning {both(sft, 'composed 2')} -> {both(rl, 'composed 2')} %")
    for name, cell in (("compose_depth3", "held-out 3"), ("compose_depth3_unseen", "never 3")):
        figures.put(name, 100 * of(rl, cell).value, "%", of(rl, cell).beside(),
                    f"before RL {both(sft, cell)} %, after {both(rl, cell)} %; two functions "
                    f"{both(sft, cell[:-1] + '2')} -> {both(rl, cell[:-1] + '2')} %")


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--results", required=True, help="folder with sft/, rl/ and rl-more/")
    p.add_argument("--log", required=True, help="metrics of the run of reinforcement")
    opt = p.parse_args()
    try:
        sft, rl, more = (load(f"{opt.results}/{n}/results.json") for n in ("sft", "rl", "rl-more"))
    except OSError as e:
        sys.exit(f"recipe: {e}")
    figures = Figures()
    think_over_direct(figures, rl)
    gains(figures, sft, rl)
    inside(figures, sft, rl)
    lucky(figures, sft, rl)
    process(figures, sft, rl)
    search(figures, sft, rl)
    budget(figures, more)
    run_curve(figures, opt.log)
    votes(figures, more)
    rerank(figures, more)
    compose(figures, sft, rl)


if __name__ == "__main__":
    main()
