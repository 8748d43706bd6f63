#!/usr/bin/env python3
"""Write tests/tensor/dtype.bin: what other programs make of the same numbers.

usage: tools/make_dtype_fixtures.py [OUT]
needs: pip install numpy gguf xllamacpp  (made with gguf 0.19.0, xllamacpp 2026.10)

Little-endian, read by tests/tensor/test_dtype.c:
  f32 input[4096]
  then for each type: u32 type, u32 n_coded, u8 coded[n_coded], f64 rmse,
                      u32 n_raw, u8 raw[n_raw], u32 n_value, f32 value[n_value]
coded is the input encoded by the gguf package (checked here to be what ggml
itself writes; empty for the K types, whose choice of scales is free), rmse the
error of ggml's own encoding, raw a run of random blocks and value what the gguf
package decodes them to."""
import ctypes
import struct
import sys

import gguf
import numpy as np
import xllamacpp.xllamacpp as binding
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T

N = 4096
TYPES = [T.F16, T.BF16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.Q4_K, T.Q5_K, T.Q6_K]
SCALES = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
          T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}

ggml = ctypes.CDLL(binding.__file__)
ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
ggml.ggml_quantize_chunk.argtypes = ([ctypes.c_int] + [ctypes.c_void_p] * 2 +
                                     [ctypes.c_int64] * 3 + [ctypes.c_void_p])


def make_input(rng):
    """Blocks as weights have them, and the awkward ones."""
    x = rng.standard_normal(N) * 0.05
    x[1024:2048] *= np.repeat(np.exp(rng.standard_normal(32)), 32)   # uneven scales
    x[2048:2560] = rng.standard_t(3, 512)                            # outliers
    x[2560:2816] = rng.random(256) + 0.5                             # all positive
    x[2816:3072] = -rng.random(256) - 0.5                            # all negative
    x[3072:3328] *= rng.random(256) < 0.1                            # mostly zero
    x[3328:3584] = 0
    x[3584:3840] = 0.25                                              # constant
    x[3840:4096] *= 1e-4                                             # small halves
    return (x + 0.0).astype(np.float32)


def by_ggml(t, x):
    block, size = GGML_QUANT_SIZES[t]
    out = np.zeros(len(x) // block * size, np.uint8)
    ggml.ggml_quantize_chunk(int(t), x.ctypes.data, out.ctypes.data, 0, len(x) // 256, 256, None)
    return out


def random_blocks(rng, t):
    block, size = GGML_QUANT_SIZES[t]
    n = max(512 // block, 2)
    raw = rng.integers(0, 256, (n, size), dtype=np.uint8)
    if block == 1:           # any bits but NaN and infinity
        v = rng.standard_normal(n).astype(np.float32)
        v[:8] = [0, -0.0, 1e-7, -6e-8, 65504, -3e-5, 1, -2]
        return gguf.quantize(v, t).view(np.uint8).reshape(-1)
    for at in SCALES[t]:
        d = (rng.standard_normal(n) * 0.01).astype(np.float16)
        raw[:, at:at + 2] = d.view(np.uint8).reshape(n, 2)
    return raw.reshape(-1)


def main():
    rng = np.random.default_rng(20240607)
    x = make_input(rng)
    out = [x.tobytes()]
    for t in TYPES:
        coded = np.zeros(0, np.uint8)
        rmse = 0.0
        if t in (T.Q4_K, T.Q5_K, T.Q6_K):
            y = gguf.dequantize(by_ggml(t, x), t).reshape(-1).astype(np.float64)
            rmse = float(np.sqrt(np.mean((y - x) ** 2)))
        else:
            coded = gguf.quantize(x, t).view(np.uint8).reshape(-1)
            assert np.array_equal(coded, by_ggml(t, x)), t.name
        raw = random_blocks(rng, t)
        value = gguf.dequantize(raw, t).reshape(-1).astype(np.float32)
        out.append(struct.pack("<II", int(t), len(coded)) + coded.tobytes() +
                   struct.pack("<dI", rmse, len(raw)) + raw.tobytes() +
                   struct.pack("<I", len(value)) + value.tobytes())
    path = sys.argv[1] if len(sys.argv) > 1 else "tests/tensor/dtype.bin"
    with open(path, "wb") as f:
        f.write(b"".join(out))


main()
