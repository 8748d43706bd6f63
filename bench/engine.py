#!/usr/bin/env python3
"""Ours against llama.cpp, round by round (bench/engine.sh prepares and calls this).

Both are worker processes that speak the protocol in bench/peer_llamacpp.py. A round
of one figure runs ours, peer, peer, ours (the order turns each round), takes the
better of each side's two and divides. A figure is the median over the rounds. Before
a round the driver waits for the processors to be idle; a round during which others
used more than 4 % of them is repeated (at most twice, then kept and counted).

The peer is not held back: each of its figures is first tried with every build and
setting below, and measured with the fastest; its memory is the least any file-reading
mode needs at the settings that prefill fastest.

Figures:
  decode_vs_llamacpp_TYPE       one sequence, tokens/s, ours / theirs
  prefill_vs_llamacpp_q8_0      prompt of 512 tokens
  batchN_vs_llamacpp_q8_0       N sequences a step, all tokens together
  peak_rss_vs_llamacpp          peak resident memory of a process that loads the Q8_0
                                file, prefills 512 and decodes 32: ours / theirs
  decode_bandwidth_share_q8_0   weight bytes a token reads * tokens/s over the rate at
                                which all threads read a buffer of that size
  first_token_s                 from starting `ponder ask` to its first token, in a
                                process of its own, the file being in the page cache,
                                seen from outside (_reported: by the program itself)
  ours_NAME, llamacpp_NAME      the medians behind the ratios
"""

import argparse
import json
import os
import select
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PONDER = os.path.join(HERE, "..", "build", "ponder")
REPLY_S = 120            # a worker silent for this long is given up
QUIET = 0.04             # others' share of the processors that counts as quiet
QUIET_WAIT_S = 20        # how long a round waits for it
NEAR_TOP = 0.85          # settings of the peer worth more turns, of the best speed

# figure, model, command
SPEEDS = [
    ("decode_q4_0", "q4_0", "decode 1 128"),
    ("decode_q8_0", "q8_0", "decode 1 128"),
    ("prefill_q8_0", "q8_0", "prefill 512"),
    ("batch16_q8_0", "q8_0", "decode 16 32"),
    ("batch64_q8_0", "q8_0", "decode 64 16"),
]

# Flash attention stays at the library's own choice: off was slower everywhere.
SETTINGS = [
    ("--weights", "amx", "--kv", "split"),
    ("--weights", "amx", "--kv", "unified"),
    ("--weights", "plain", "--kv", "split"),
]


class Trouble(Exception):
    pass


def say(text):
    print(text, flush=True)


class Worker:
    """One engine process; commands in, one line out."""

    def __init__(self, name, argv, env=None):
        self.name = name
        self.p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, env=env, bufsize=0)
        self.rest = b""
        self.hello = self.line()
        if not self.hello.startswith("ready "):
            self.close()
            raise Trouble(f"{name}: {self.hello}")

    def line(self):
        end = time.monotonic() + REPLY_S
        while b"\n" not in self.rest:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.p.stdout], [], [], left)[0]:
                self.p.kill()
                raise Trouble(f"{self.name}: no reply within {REPLY_S} s")
            data = os.read(self.p.stdout.fileno(), 65536)
            if not data:
                raise Trouble(f"{self.name}: ended with status {self.p.wait()}")
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode("utf-8", "replace")

    def ask(self, command):
        """The numbers of a reply, which repeats the command's words."""
        try:
            self.p.stdin.write(command.encode() + b"\n")
        except BrokenPipeError:
            raise Trouble(f"{self.name}: has ended") from None
        reply = self.line()
        words = reply.split()
        want = command.split()
        if words[:len(want)] != want or len(words) <= len(want):
            raise Trouble(f"{self.name}: {command}: {reply}")
        return [float(w) for w in words[len(want):]]

    def cpu_s(self):
        with open(f"/proc/{self.p.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        try:
            self.p.stdin.write(b"quit\n")
        except OSError:
            pass
        try:
            self.p.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()


def processor_time():
    """(all, not idle) seconds of all processors; stolen time counts as busy."""
    with open("/proc/stat", encoding="ascii") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    hz = os.sysconf("SC_CLK_TCK")
    return sum(v) / hz, (sum(v) - v[3] - v[4]) / hz


class Others:
    """The share of the processors that neither we nor our workers used."""

    def __init__(self, workers):
        self.workers = workers
        self.start = self.now()

    def now(self):
        own = sum(w.cpu_s() for w in self.workers) + time.process_time()
        return processor_time() + (own,)

    def share(self):
        total, busy, own = (b - a for a, b in zip(self.start, self.now()))
        return max(0.0, (busy - own) / total) if total > 0 else 0.0


def wait_quiet(workers):
    end = time.monotonic() + QUIET_WAIT_S
    while time.monotonic() < end:
        others = Others(workers)
        time.sleep(0.3)
        if others.share() <= QUIET:
            return


def spawn_ours(path, threads):
    return Worker("ponder", [PONDER, "bench", "--worker", "--model", path,
                             "--threads", str(threads)])


class PeerKit:
    """Starts peer workers of any build and setting."""

    def __init__(self, folder, threads):
        self.folder = folder
        self.threads = threads
        self.builds = sorted(n for n in os.listdir(folder) if n.startswith("lib-"))
        if not self.builds:
            raise Trouble(f"{folder}: no build of llama.cpp in it")

    def spawn(self, path, build, settings):
        argv = [os.path.join(self.folder, "venv", "bin", "python"),
                os.path.join(HERE, "peer_llamacpp.py"), "--model", path,
                "--threads", str(self.threads), "--lib", os.path.join(self.folder, build),
                *settings]
        env = dict(os.environ, PYTHONPATH=os.path.join(self.folder, "py"))
        return Worker("llama.cpp " + " ".join((build[4:],) + settings), argv, env)


def peer_choose(kit, paths):
    """figure -> (build, settings) that is fastest for it.

    Three turns of everything leave the settings near the top; more turns of those, and
    medians, keep one lucky reading from choosing a setting that is really slower."""
    chosen = {}
    for kind, path in paths.items():
        wanted = [(f, c) for f, k, c in SPEEDS if k == kind]
        workers = {}
        try:
            for build in kit.builds:
                for settings in SETTINGS:
                    try:
                        workers[build, settings] = kit.spawn(path, build, settings)
                    except Trouble as e:
                        say(f"left out: {e}")
            for w in list(workers.values())[:1]:
                say(f"{kind}: {w.hello}")

            def try_all(command, keys, turns, got):
                for _ in range(turns):
                    for key in [k for k in keys if k in workers]:
                        wait_quiet(workers.values())
                        try:
                            got.setdefault(key, []).append(workers[key].ask(command)[0])
                        except Trouble as e:
                            say(f"left out: {e}")
                            workers.pop(key).close()

            for figure, command in wanted:
                got = {}
                try_all(command, list(workers), 3, got)
                top = max((max(v) for k, v in got.items() if k in workers), default=0)
                near = [k for k, v in got.items() if max(v) > NEAR_TOP * top]
                try_all(command, near, 4, got)
                ranked = sorted(((statistics.median(v) if k in near else max(v), k)
                                 for k, v in got.items() if k in workers),
                                key=lambda r: (r[1] in near, r[0]), reverse=True)
                if not ranked:
                    raise Trouble("llama.cpp fails at every setting")
                chosen[figure] = ranked[0][1]
                say(f"peer {figure}: " + "; ".join(
                    f"{b[4:]} {' '.join(s)} {v:.0f}" for v, (b, s) in ranked))
        finally:
            for w in workers.values():
                w.close()
    return chosen


def round_of(ours, peer, command, turn, tally):
    """One round: (ours, peer), each the better of two."""
    for attempt in range(3):
        wait_quiet([ours, peer])
        others = Others([ours, peer])
        order = (ours, peer, peer, ours) if turn % 2 == 0 else (peer, ours, ours, peer)
        got = {ours: [], peer: []}
        for w in order:
            got[w].append(w.ask(command)[0])
            time.sleep(0.25)                     # spinning threads go to sleep
        if others.share() <= QUIET:
            break
    else:
        tally["noisy"] += 1
    tally["rounds"] += 1
    return max(got[ours]), max(got[peer])


def measure_speeds(paths, kit, chosen, opt, out, tally):
    pairs = {f: [] for f, _, _ in SPEEDS}
    share = []
    for kind, path in paths.items():
        wanted = [(f, c) for f, k, c in SPEEDS if k == kind]
        ours = spawn_ours(path, opt.threads)
        peers = {}
        try:
            for figure, _ in wanted:
                if chosen[figure] not in peers:
                    peers[chosen[figure]] = kit.spawn(path, *chosen[figure])
            for turn in range(opt.rounds):
                for figure, command in wanted:
                    a, b = round_of(ours, peers[chosen[figure]], command, turn, tally)
                    pairs[figure].append((a, b))
                    say(f"round {turn + 1} {figure}: ours {a:.1f}, llama.cpp {b:.1f}, "
                        f"ratio {a / b:.3f}")
                    if figure == "decode_q8_0":
                        size, rate = ours.ask("bandwidth")
                        share.append(a * size / (rate * 1e9))
                        out["read_bandwidth"] = (rate, "GB/s")
        finally:
            ours.close()
            for w in peers.values():
                w.close()
    for figure, _, _ in SPEEDS:
        name, kind = figure.split("_", 1)
        out[f"{name}_vs_llamacpp_{kind}"] = (
            statistics.median(a / b for a, b in pairs[figure]), "ratio")
        out[f"ours_{figure}"] = (statistics.median(a for a, _ in pairs[figure]), "tok/s")
        out[f"llamacpp_{figure}"] = (statistics.median(b for _, b in pairs[figure]), "tok/s")
    out["decode_bandwidth_share_q8_0"] = (statistics.median(share), "share")


def rss_of(worker):
    try:
        worker.ask("prefill 512")
        worker.ask("decode 1 32")
        return worker.ask("rss")[0]
    finally:
        worker.close()


def measure_rss(path, kit, chosen, opt, out):
    build, fast = chosen["prefill_q8_0"]
    tried = {}
    for weights in dict.fromkeys((fast[1], "amx", "plain")):
        for load in ("auto", "mmap", "none"):
            settings = ("--weights", weights, "--kv", "split", "--load", load)
            try:
                tried[weights, load] = rss_of(kit.spawn(path, build, settings))
            except Trouble as e:
                say(f"left out: {e}")
    say("peer memory, MiB: " + "; ".join(
        f"{w} load={m} {v:.0f}" for (w, m), v in sorted(tried.items(), key=lambda kv: kv[1])))
    (_, mode), _ = min(((k, v) for k, v in tried.items() if k[0] == fast[1]),
                       key=lambda kv: kv[1])
    settings = ("--weights", fast[1], "--kv", "split", "--load", mode)
    pairs = []
    for _ in range(opt.rounds):
        ours = rss_of(spawn_ours(path, opt.threads))
        pairs.append((ours, rss_of(kit.spawn(path, build, settings))))
    out["peak_rss_vs_llamacpp"] = (statistics.median(a / b for a, b in pairs), "ratio")
    out["ours_peak_rss"] = (statistics.median(a for a, _ in pairs), "MiB")
    out["llamacpp_peak_rss"] = (statistics.median(b for _, b in pairs), "MiB")
    out["llamacpp_peak_rss_least"] = (min(tried.values()), "MiB")


def first_output_s(argv):
    """Seconds from starting a program to its first piece of text. Thinking comes by
    standard error and the answer by standard output; one pipe takes both, and the
    header line above the thinking is not yet a token."""
    start = time.monotonic()
    p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, bufsize=0)
    seen = b""
    try:
        while select.select([p.stdout], [], [], REPLY_S)[0]:
            data = os.read(p.stdout.fileno(), 4096)
            took = time.monotonic() - start
            seen += data
            lines = seen.split(b"\n")
            if any(line and not line.startswith((b"---", b"ponder")) for line in lines):
                return took
            if not data:
                break
    finally:
        p.kill()
        p.communicate()
    raise Trouble("ponder ask gave no token: " + seen.decode("utf-8", "replace")[:200].strip())


def first_token(model, opt, out):
    """Each run is a process of its own; the first only fills the page cache."""
    base = [PONDER, "ask", "--model", model, "--effort", "low", "--threads", str(opt.threads)]
    question = "What is the capital of France?"
    outside, inside = [], []
    for i in range(opt.rounds + 1):
        wait_quiet([])
        took = first_output_s(base + [question])
        try:
            p = subprocess.run(base + ["--json", question], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               timeout=REPLY_S)
            reported = float(json.loads(p.stdout)["first_token_s"])
        except (ValueError, KeyError, TypeError, subprocess.TimeoutExpired) as e:
            raise Trouble(f"ponder ask --json gives no first_token_s ({e!r})") from None
        if i > 0:
            outside.append(took)
            inside.append(reported)
    out["first_token_s"] = (statistics.median(outside), "s")
    out["first_token_s_reported"] = (statistics.median(inside), "s")


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--peer", required=True, help="folder that peer_llamacpp.sh printed")
    ap.add_argument("--models", required=True, help="folder of smollm2-135m-TYPE.gguf")
    ap.add_argument("--ask-model", required=True, help="model for first_token_s")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    opt = ap.parse_args()
    opt.rounds = max(opt.rounds, 5)
    paths = {k: os.path.join(opt.models, f"smollm2-135m-{k}.gguf") for k in ("q8_0", "q4_0")}
    out, failed = {}, False
    tally = {"rounds": 0, "noisy": 0}
    try:
        kit = PeerKit(opt.peer, opt.threads)
        chosen = peer_choose(kit, paths)
        measure_speeds(paths, kit, chosen, opt, out, tally)
        measure_rss(paths["q8_0"], kit, chosen, opt, out)
    except (Trouble, OSError) as e:
        print(f"engine: {e}", file=sys.stderr)
        failed = True
    try:
        first_token(opt.ask_model, opt, out)
    except (Trouble, OSError) as e:
        print(f"engine: {e}", file=sys.stderr)
        failed = True
    say(f"{tally['rounds']} rounds, {tally['noisy']} of them with others busy for more than "
        f"{100 * QUIET:.0f} % of the processors; load {' '.join(map(str, os.getloadavg()))}")
    for name, (value, unit) in out.items():
        say(f"figure {name} {value:.4g} {unit}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
