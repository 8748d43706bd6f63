#!/usr/bin/env python3
"""Write tests/train/adamw_numbers.h: ten steps of PyTorch's AdamW.

usage: tools/make_optimizer_fixture.py [OUT]
needs: pip install torch  (made with torch 2.x on a CPU, f32)

Two parameters: a matrix of 4 x 5 with decay and a vector of 6 without. Values
and gradients follow formulas of whole numbers, exact in f32, which the test
repeats; the rate grows with the step; gradients are clipped to a norm that some
of them exceed."""
import sys

import torch

SHAPES = [(4, 5), (1, 6)]
N_STEP = 10
DECAY, CLIP, BETAS, EPS = 0.1, 2.0, (0.9, 0.95), 1e-8


def value(k, i):
    return ((i * 29 + k * 11) % 31 - 15) / 16


def gradient(step, k, i):
    return ((step * 37 + k * 17 + i * 23) % 41 - 20) / 64 * (1 + step % 4)


def rate(step):
    return 0.002 * (step + 1)


def filled(k, f):
    n_out, n_in = SHAPES[k]
    return torch.tensor([f(i) for i in range(n_out * n_in)],
                        dtype=torch.float32).reshape(n_out, n_in)


def main():
    params = [torch.nn.Parameter(filled(k, lambda i: value(k, i))) for k in range(2)]
    groups = [{"params": params[:1], "weight_decay": DECAY},
              {"params": params[1:], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1.0, betas=BETAS, eps=EPS)
    norms, rows = [], []
    for step in range(N_STEP):
        for k, p in enumerate(params):
            p.grad = filled(k, lambda i: gradient(step, k, i))
        norms.append(torch.nn.utils.clip_grad_norm_(params, CLIP).item())
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.step()
        rows.append([x for p in params for x in p.detach().flatten().tolist()])
    with open(sys.argv[1] if len(sys.argv) > 1 else "tests/train/adamw_numbers.h", "w") as out:
        out.write("/* Written by tools/make_optimizer_fixture.py: what PyTorch %s makes of the\n"
                  " * same values and gradients. */\n" % torch.__version__.split("+")[0])
        out.write("static const double adamw_norms[%d] = {\n" % N_STEP)
        for x in norms:
            out.write("    %.9g,\n" % x)
        out.write("};\n\n/* After each step: the matrix, then the vector. */\n"
                  "static const double adamw_values[%d][%d] = {\n" % (N_STEP, len(rows[0])))
        for row in rows:
            out.write("    {\n")
            for i in range(0, len(row), 6):
                out.write("        " + " ".join("%.9g," % x for x in row[i:i + 6]) + "\n")
            out.write("    },\n")
        out.write("};\n")


main()
