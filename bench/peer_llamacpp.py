#!/usr/bin/env python3
"""The peer, llama.cpp, as a worker process that a benchmark drives line by line.

usage: peer_llamacpp.py --model FILE [--threads N] [settings]
       peer_llamacpp.py --info                           (what the build uses)
       peer_llamacpp.py --quantize IN OUT q8_0|q4_0      (to try it without ours)

The worker protocol, version 1. `ponder bench --worker --model FILE
[--threads N]` speaks the same one, so that rounds of both can alternate.

  The worker loads the model, then prints one line and waits:
      ready NAME [KEY=VALUE ...]
  It reads one command a line from standard input and prints exactly one reply
  line for each to standard output, flushed. Anything else goes to standard
  error. Speeds are tokens per second, as decimals. A command that cannot be
  done replies `error TEXT` and the worker goes on; a model that cannot be
  loaded prints `error TEXT` instead of `ready` and exits with 1. End of input
  means `quit`. Between commands the worker must let the processors go idle
  within 200 ms, for the other side's turn comes next.

  prefill N    ->  prefill N SPEED
      One sequence of N fresh tokens through an empty cache, logits of the last
      token only. SPEED is N / seconds, from the tokens' being ready in memory
      to the logits' being readable. One whole untimed prefill N comes before
      the first timed one of a run of equal commands.
  decode B N   ->  decode B N SPEED
      B sequences, each with an untimed prompt of 16 tokens of its own (no shared
      prefix), then 4 untimed and N timed steps. A step takes one given token
      of every sequence and computes the full logits of all B, in f32, readable
      by the caller. No sampling. SPEED is B * N / seconds over the timed steps.
  rss          ->  rss MIB
      Peak resident memory of the process so far (VmHWM), in MiB. A Python
      worker subtracts what was resident before the engine's library was loaded.
  bandwidth    ->  bandwidth BYTES GBPS
      Ours only: BYTES is what one decode step must read of the weights (bytes
      of the tensors in the file that a step touches in full), GBPS the rate in
      1e9 bytes/s at which all threads together read a buffer of that size,
      best of several passes. The peer replies `error unsupported`.
  quit         ->  (no reply, exit 0)

  Token ids are fixed: the k-th token fed is (k * 7919) % n_vocab, where k
  counts from 0 anew in each command:
      prefill: token i has                       k = i
      decode:  prompt token i of sequence s has  k = s * 16 + i
               step t (untimed ones included)    k = B * 16 + t * B + s

The peer's settings (each figure is measured with whichever is fastest):
  --weights amx|repack|plain   which copy of the weights the kernels read: the
                               default order (AMX when the CPU has it), the
                               VNNI/AVX interleaved copy, or the file's own
  --fa auto|on|off             flash attention
  --kv split|unified           one cache per sequence or one for all
  --ubatch N                   rows in one physical batch (default 512)
  --load auto|mmap|none        how the file is read
  --lib DIR                    the folder with libllama.so (default: the clang build)
  --verbose                    the engine's own log on standard error
"""

import argparse
import ctypes
import os
import sys
import time
import types

PROMPT = 16          # untimed prompt of each decoding sequence, in tokens
WARM = 4             # untimed decode steps
STRIDE = 7919        # prime, so that ids wander over the whole vocabulary
GGML_MAX_N_THREADS = 512


class ThreadpoolParams(ctypes.Structure):
    """ggml_threadpool_params, which the Python package does not declare."""
    _fields_ = [
        ("cpumask", ctypes.c_bool * GGML_MAX_N_THREADS),
        ("n_threads", ctypes.c_int),
        ("prio", ctypes.c_int),
        ("poll", ctypes.c_uint32),
        ("strict_cpu", ctypes.c_bool),
        ("paused", ctypes.c_bool),
    ]


class BuftOverride(ctypes.Structure):
    _fields_ = [("pattern", ctypes.c_char_p), ("buft", ctypes.c_void_p)]


def memory_mib(field):
    with open("/proc/self/status", encoding="ascii") as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {field} in /proc/self/status")


def binding_load(lib_dir):
    """The package's plain ctypes declarations, without its __init__ (which pulls
    in numpy and the whole high-level interface and would count as memory)."""
    for path in sys.path:
        home = os.path.join(path, "llama_cpp")
        if os.path.isfile(os.path.join(home, "llama_cpp.py")):
            break
    else:
        raise RuntimeError("llama_cpp is not installed for this Python")
    package = types.ModuleType("llama_cpp")
    package.__path__ = [home]
    sys.modules["llama_cpp"] = package
    folder = os.path.abspath(lib_dir or os.path.join(home, "..", "..", "lib-clang"))
    os.environ["LLAMA_CPP_LIB_PATH"] = folder
    import llama_cpp.llama_cpp as binding
    base = ctypes.CDLL(os.path.join(folder, "libggml-base.so"))
    cpu = ctypes.CDLL(os.path.join(folder, "libggml-cpu.so"))
    return binding, base, cpu


class Peer:
    def __init__(self, opt):
        before = memory_mib("VmRSS")
        self.L, self.base, self.cpu = binding_load(opt.lib)
        self.opt = opt
        self.baseline = before
        self.ctx = None
        self.key = None
        self.buffers = []
        L = self.L

        def on_log(_level, text, _data):
            line = text.decode("utf-8", "replace")
            if "model buffer size" in line:
                name, size = line.split(":", 1)[1].split("model buffer size")
                size = size.strip(" =\n").replace(" ", "")
                self.buffers.append(f"{name.strip()}:{size}")
            if opt.verbose:
                sys.stderr.write(line)

        self.log = L.llama_log_callback(on_log)      # kept alive by self
        L.llama_log_set(self.log, ctypes.c_void_p(0))
        L.llama_backend_init()
        mp = L.llama_model_default_params()
        mp.load_mode = {"auto": mp.load_mode, "mmap": L.LLAMA_LOAD_MODE_MMAP,
                        "none": L.LLAMA_LOAD_MODE_NONE}[opt.load]
        if opt.weights == "plain":
            mp.use_extra_bufts = False
        elif opt.weights == "repack":
            # The product weights go to the interleaved copy, all else stays put.
            pattern = rb"(attn_(q|k|v|output)|ffn_(gate|up|down)|output)\.weight"
            self.over = (BuftOverride * 2)(
                BuftOverride(pattern, self.buft_find("CPU_REPACK")), BuftOverride(None, None))
            mp.tensor_buft_overrides = ctypes.cast(self.over, ctypes.c_void_p)
        self.model = L.llama_model_load_from_file(os.fsencode(opt.model), mp)
        if not self.model:
            raise RuntimeError(f"{opt.model}: llama.cpp cannot load it")
        self.n_vocab = L.llama_vocab_n_tokens(L.llama_model_get_vocab(self.model))

        # Without a pool of its own the library starts and joins its threads anew
        # in every decode; its command-line tools attach one, and so do we.
        tp = ThreadpoolParams()
        self.base.ggml_threadpool_params_init.argtypes = [ctypes.c_void_p, ctypes.c_int]
        self.base.ggml_threadpool_params_init(ctypes.byref(tp), opt.threads)
        tp.poll = opt.poll
        self.cpu.ggml_threadpool_new.restype = ctypes.c_void_p
        self.cpu.ggml_threadpool_new.argtypes = [ctypes.c_void_p]
        self.pool = self.cpu.ggml_threadpool_new(ctypes.byref(tp))

    def buft_find(self, want):
        """A buffer type of the CPU by its name."""
        base, cpu = self.base, self.cpu
        for lib, name, args, res in (
                (cpu, "ggml_backend_cpu_reg", [], ctypes.c_void_p),
                (base, "ggml_backend_reg_dev_get", [ctypes.c_void_p, ctypes.c_size_t],
                 ctypes.c_void_p),
                (base, "ggml_backend_reg_get_proc_address",
                 [ctypes.c_void_p, ctypes.c_char_p], ctypes.c_void_p),
                (base, "ggml_backend_buft_name", [ctypes.c_void_p], ctypes.c_char_p)):
            fn = getattr(lib, name)
            fn.argtypes, fn.restype = args, res
        reg = cpu.ggml_backend_cpu_reg()
        dev = base.ggml_backend_reg_dev_get(reg, 0)
        address = base.ggml_backend_reg_get_proc_address(reg, b"ggml_backend_dev_get_extra_bufts")
        extra = ctypes.CFUNCTYPE(ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p)(address)(dev)
        i = 0
        while extra[i]:
            if base.ggml_backend_buft_name(extra[i]) == want.encode():
                return extra[i]
            i += 1
        raise RuntimeError(f"this build has no buffer type {want}")

    def context(self, n_ctx, n_seq, n_out):
        """A context just large enough for one command; True when it is new."""
        L, opt = self.L, self.opt
        if self.key == (n_ctx, n_seq, n_out):
            L.llama_memory_clear(L.llama_get_memory(self.ctx), False)
            return False
        if self.ctx:
            L.llama_free(self.ctx)
            self.ctx = self.key = None
        cp = L.llama_context_default_params()
        cp.n_ctx = n_ctx
        cp.n_batch = min(n_ctx, max(512, n_out))
        cp.n_ubatch = min(cp.n_batch, opt.ubatch)
        cp.n_seq_max = n_seq
        cp.n_outputs_max = n_out
        cp.n_threads = cp.n_threads_batch = opt.threads
        cp.flash_attn_type = {"auto": L.LLAMA_FLASH_ATTN_TYPE_AUTO,
                              "on": L.LLAMA_FLASH_ATTN_TYPE_ENABLED,
                              "off": L.LLAMA_FLASH_ATTN_TYPE_DISABLED}[opt.fa]
        cp.kv_unified = opt.kv == "unified"
        cp.no_perf = True
        self.ctx = L.llama_init_from_model(self.model, cp)
        if not self.ctx:
            raise RuntimeError(f"no context of {n_ctx} tokens for {n_seq} sequences")
        pool = ctypes.c_void_p(self.pool)
        L._lib.llama_attach_threadpool(ctypes.cast(self.ctx, ctypes.c_void_p), pool, pool)
        self.key = (n_ctx, n_seq, n_out)
        return True

    def batch(self, rows):
        """rows: (k, position, sequence, wants logits). The arrays live in the result."""
        L = self.L
        n = len(rows)
        b = L.llama_batch()
        b.n_tokens = n
        b.token = (L.llama_token * n)(*[k * STRIDE % self.n_vocab for k, _, _, _ in rows])
        b.pos = (L.llama_pos * n)(*[p for _, p, _, _ in rows])
        b.n_seq_id = (ctypes.c_int32 * n)(*([1] * n))
        seqs = (L.llama_seq_id * n)(*[s for _, _, s, _ in rows])
        step = ctypes.sizeof(L.llama_seq_id)
        start = ctypes.addressof(seqs)
        one = ctypes.POINTER(L.llama_seq_id)
        b.seq_id = (one * n)(*[ctypes.cast(start + i * step, one) for i in range(n)])
        b.logits = (ctypes.c_int8 * n)(*[w for _, _, _, w in rows])
        return b, seqs

    def decode_batch(self, batch):
        rc = self.L.llama_decode(self.ctx, batch)
        if rc != 0:
            raise RuntimeError(f"llama_decode returned {rc}")

    def prefill(self, n):
        # One physical batch may hold every token: a context below 256 is padded up.
        n_ctx = -(-n // 256) * 256
        fresh = self.context(n_ctx, 1, 1)
        size = min(n_ctx, 512)
        parts = [self.batch([(i, i, 0, int(i == n - 1)) for i in range(at, min(n, at + size))])
                 for at in range(0, n, size)]
        L = self.L
        for timed in ((False, True) if fresh else (True,)):
            L.llama_memory_clear(L.llama_get_memory(self.ctx), False)
            t0 = time.perf_counter()
            for part, _ in parts:
                self.decode_batch(part)
            L.llama_synchronize(self.ctx)
            if timed:
                return n / (time.perf_counter() - t0)

    def decode(self, n_seq, n):
        L = self.L
        room = -(-(PROMPT + WARM + n) // 256) * 256
        self.context(room * n_seq, n_seq, n_seq)
        for at in range(0, n_seq, 512 // PROMPT):
            part, _keep = self.batch([
                (s * PROMPT + i, i, s, int(i == PROMPT - 1))
                for s in range(at, min(n_seq, at + 512 // PROMPT)) for i in range(PROMPT)])
            self.decode_batch(part)
        steps = [self.batch([(n_seq * PROMPT + t * n_seq + s, PROMPT + t, s, 1)
                             for s in range(n_seq)]) for t in range(WARM + n)]
        call, ctx = L.llama_decode, self.ctx
        t0 = 0.0
        for t, (step, _) in enumerate(steps):
            if t == WARM:
                L.llama_synchronize(ctx)
                t0 = time.perf_counter()
            if call(ctx, step) != 0:
                raise RuntimeError("llama_decode failed")
        L.llama_synchronize(ctx)
        return n_seq * n / (time.perf_counter() - t0)

    def answer(self, words):
        if words[0] == "prefill" and len(words) == 2:
            n = int(words[1])
            if not 1 <= n <= 8192:
                raise ValueError("prefill takes 1 to 8192 tokens")
            return f"prefill {n} {self.prefill(n):.2f}"
        if words[0] == "decode" and len(words) == 3:
            b, n = int(words[1]), int(words[2])
            if not (1 <= b <= 256 and 1 <= n <= 8192):
                raise ValueError("decode takes 1 to 256 sequences and 1 to 8192 steps")
            return f"decode {b} {n} {self.decode(b, n):.2f}"
        if words == ["rss"]:
            return f"rss {memory_mib('VmHWM') - self.baseline:.2f}"
        raise ValueError("unsupported")


def quantize(opt):
    """A model of one pure type, by the peer's own quantiser: for trying the worker
    alone. The benchmark itself converts with ours and gives both sides one file."""
    L, _, _ = binding_load(opt.lib)
    src, dst, kind = opt.quantize
    qp = L.llama_model_quantize_default_params()
    qp.ftype = {"q8_0": L.LLAMA_FTYPE_MOSTLY_Q8_0, "q4_0": L.LLAMA_FTYPE_MOSTLY_Q4_0}[kind]
    qp.allow_requantize = True
    qp.pure = True
    qp.nthread = opt.threads
    return L.llama_model_quantize(os.fsencode(src), os.fsencode(dst), ctypes.byref(qp))


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--model")
    ap.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    ap.add_argument("--weights", choices=("amx", "repack", "plain"), default="amx")
    ap.add_argument("--fa", choices=("auto", "on", "off"), default="auto")
    ap.add_argument("--kv", choices=("split", "unified"), default="split")
    ap.add_argument("--ubatch", type=int, default=512)
    ap.add_argument("--load", choices=("auto", "mmap", "none"), default="auto")
    ap.add_argument("--poll", type=int, default=50)
    ap.add_argument("--lib", default=None)
    ap.add_argument("--verbose", action="store_true")
    ap.add_argument("--quantize", nargs=3, metavar=("IN", "OUT", "TYPE"))
    ap.add_argument("--info", action="store_true")
    opt = ap.parse_args()
    if opt.info:
        binding, _, _ = binding_load(opt.lib)
        print(binding.llama_print_system_info().decode().replace(" ", ""))
        return 0
    if opt.quantize:
        return quantize(opt)
    if not opt.model:
        ap.error("--model is needed")

    # The library may print to descriptor 1; replies keep a descriptor of their own.
    reply = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        peer = Peer(opt)
    except (RuntimeError, OSError) as e:
        reply.write(f"error {e}\n")
        return 1
    info = peer.L.llama_print_system_info().decode().replace(" ", "")
    reply.write(f"ready llama.cpp n_vocab={peer.n_vocab} threads={opt.threads} "
                f"weights={opt.weights} fa={opt.fa} kv={opt.kv} "
                f"buffers={','.join(peer.buffers)} system={info}\n")
    for line in sys.stdin:
        words = line.split()
        if not words:
            continue
        if words == ["quit"]:
            break
        try:
            reply.write(peer.answer(words) + "\n")
        except (ValueError, RuntimeError) as e:
            reply.write(f"error {e}\n")
    # Freeing everything in order gains nothing here and can only hang.
    reply.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
