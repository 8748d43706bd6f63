"""A hub that misbehaves on request, for tests/model/test_hub.c.

usage: hub_server.py FOLDER

Listens on two ports of 127.0.0.1 (the hub and "somewhere else"), prints them as
"PORT PORT", and ends when its standard input closes or after five minutes. What
a repository does follows from its name; see `REPOS`. Requests are noted in
FOLDER/log, one a line: port, path, Authorization, Range, If-Range. A number in
FOLDER/version is the revision that t/update has.
"""
import hashlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOLDER = sys.argv[1]
LOCK = threading.Lock()
ASKED = {}                 # path -> how often
PORTS = []


def content(seed, size):
    """Byte i is (31 i + 7 seed + i // 251) mod 256, as in the test."""
    return bytes((31 * i + 7 * seed + i // 251) & 255 for i in range(size))


A, B = content(1, 300000), content(2, 300000)
BIG = content(3, 200000)
SMALL = content(4, 700)


def version():
    try:
        with open(os.path.join(FOLDER, "version")) as f:
            return int(f.read())
    except OSError:
        return 1


def lfs(path, data, sha=None, size=None):
    size = len(data) if size is None else size
    sha = sha or hashlib.sha256(data).hexdigest()
    return {"type": "file", "path": path, "oid": "0" * 40, "size": size,
            "lfs": {"oid": sha, "size": size, "pointerSize": 134}}


def git(path, data):
    oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    return {"type": "file", "path": path, "oid": oid, "size": len(data)}


def one(data=A, **more):
    """A repository with one model file."""
    return {"files": {"m-Q8_0.gguf": data}, **more}


REPOS = {
    "t/plain": one(),
    "t/cdn": one(how="cdn"),
    "t/cut": one(how="cut"),
    "t/cutalways": one(how="cutalways"),
    "t/norange": one(how="norange"),
    "t/changed": one(how="changed", kind=git),
    "t/changed-rude": one(how="changed-rude", kind=git),
    "t/changed-linked": one(how="linked"),
    "t/update": {},
    "t/badsum": one(listing=[lfs("m-Q8_0.gguf", A, sha="ab" * 32)]),
    "t/more": one(how="more"),
    "t/announce": one(listing=[lfs("m-Q8_0.gguf", A, size=299999)]),
    "t/wrongrange": one(how="wrongrange"),
    "t/traversal": one(listing=[lfs("../evil.gguf", A)]),
    "t/absolute": one(listing=[lfs("/tmp/evil.gguf", A)]),
    "t/backslash": one(listing=[lfs("a\\..\\evil.gguf", A)]),
    "t/control": one(listing=[lfs("a\x1b[2J.gguf", A)]),
    "t/odd": one(listing=[lfs("with space Q8_0.gguf", A), lfs("$(id).gguf", A),
                          lfs("m-Q8_0.gguf", A), git(".gitattributes", b"x")]),
    "t/twice": one(listing=[git("config.json", SMALL), git("tokenizer.json", SMALL),
                            lfs("model-00001-of-00002.safetensors", A),
                            lfs("model-00001-of-00002.safetensors", B)]),
    "t/vast": one(listing=[lfs("m-Q8_0.gguf", A, size=4 * 10 ** 12)]),
    "t/badsize": one(listing=[lfs("m-Q8_0.gguf", A, size=-5)]),
    "t/nohash": one(listing=[{"type": "file", "path": "m.gguf", "size": 5}]),
    "t/badoid": one(listing=[lfs("m.gguf", A, sha="../" * 21 + "x")]),
    "t/notlist": one(raw=b'{"error": "no"}'),
    "t/badjson": one(raw=b'[{"type": "file", '),
    "t/deep": one(raw=b"[" * 100000),
    "t/empty": one(listing=[]),
    "t/pytorch": one(listing=[git("config.json", SMALL), git("tokenizer.json", SMALL),
                              lfs("pytorch_model.bin", A)]),
    "t/huge": one(raw="huge"),
    "t/pages": {"files": {"f%d-Q8_0.gguf" % i: SMALL for i in range(3)}, "pages": True},
    "t/endless": one(raw="endless"),
    "t/nextaway": one(raw="nextaway"),
    "t/bighead": one(how="bighead"),
    "t/private": one(how="401"),
    "t/gone": one(how="404"),
    "t/down": one(how="503"),
    "t/flaky": one(how="flaky"),
    "t/tofile": one(how="tofile"),
    "t/nowhere": one(how="nowhere"),
    "t/loop": one(how="loop"),
    "t/slow": one(BIG, how="slow"),
    "t/slower": one(BIG, how="slower"),
    "t/slow3": one(BIG, how="slow"),
    "t/empty-file": one(b"", kind=git),
    "t/many": {"files": {"x-IQ2_M.gguf": SMALL, "x-Q4_K_M.gguf": BIG, "x-Q4_K_S.gguf": SMALL,
                         "x-Q8_0.gguf": A, "mmproj-Q8_0.gguf": SMALL,
                         "deep/y-F16.gguf": SMALL}},
    "t/folder": {"files": {"config.json": SMALL, "tokenizer.json": BIG, "README.md": SMALL,
                           "model.safetensors.index.json": SMALL,
                           "model-00001-of-00002.safetensors": A,
                           "model-00002-of-00002.safetensors": B,
                           "onnx/model.safetensors": A, "pytorch_model.bin": A},
                 "small": True},
    "t/split": {"files": {"q/s-00001-of-00002.gguf": A, "q/s-00002-of-00002.gguf": B}},
    "t/torn": {"files": {"q/s-00001-of-00002.gguf": A}},
    # the known short name smollm2-135m
    "HuggingFaceTB/SmolLM2-135M-Instruct": {
        "files": {"config.json": SMALL, "tokenizer.json": SMALL, "model.safetensors": A},
        "small": True},
}


def files_of(repo):
    if repo == "t/update":
        return {"m-Q8_0.gguf": content(10 + version(), 300000)}
    return REPOS[repo]["files"]


def listing_of(repo):
    spec = REPOS[repo]
    if "listing" in spec:
        return spec["listing"]
    kind = spec.get("kind", lfs)
    return [(git if spec.get("small") and len(d) < 1000 else kind)(p, d)
            for p, d in files_of(repo).items()]


class Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def note(self):
        h = self.headers
        with LOCK:
            ASKED[self.path] = ASKED.get(self.path, 0) + 1
            with open(os.path.join(FOLDER, "log"), "a") as f:
                f.write("%s %s auth=%s range=%s if-range=%s\n" % (
                    "hub" if self.server.server_port == PORTS[0] else "other", self.path,
                    h.get("Authorization", "-").replace(" ", "_"), h.get("Range", "-"),
                    h.get("If-Range", "-")))
            return ASKED[self.path]

    def head(self, code, length=None, **more):
        self.send_response(code)
        if length is not None:
            self.send_header("Content-Length", str(length))
        else:
            self.close_connection = True
        for k, v in more.items():
            self.send_header(k.replace("_", "-"), v)
        self.end_headers()

    def say(self, code, text=b"", **more):
        self.head(code, len(text), **more)
        self.wfile.write(text)

    def do_GET(self):
        times = self.note()
        try:
            if self.path.startswith("/api/models/"):
                self.tree()
            elif self.path.startswith("/blob/"):
                self.blob(self.path[6:], times)
            elif "/resolve/" in self.path:
                self.resolve(times)
            else:
                self.say(404, b"no such page")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def tree(self):
        path, _, query = self.path.partition("?")
        parts = path.split("/")
        repo = "/".join(parts[3:5])
        if repo not in REPOS:
            return self.say(404, b'{"error":"Repository not found"}')
        spec = REPOS[repo]
        if spec.get("how") == "401":
            if self.headers.get("Authorization") != "Bearer hf_secret":
                return self.say(401, b'{"error":"Invalid username or password."}')
        if spec.get("how") == "bighead":
            return self.say(200, b"[]", **{"X_%d" % i: "y" * 1000 for i in range(90)})
        raw = spec.get("raw")
        here = "http://127.0.0.1:%d" % PORTS[0]
        if raw == "huge":
            self.head(200)
            self.wfile.write(b"[")
            for _ in range(64):
                self.wfile.write(b'{"type":"file","path":"x"},' * 40000)
            return None
        if raw == "endless":
            n = len(query)
            return self.say(200, b"[]", Link='<%s%s?%s>; rel="next"' % (here, path, "c" * (n + 1)))
        if raw == "nextaway":
            return self.say(200, b"[]",
                            Link='<http://127.0.0.1:%d/x>; rel="next"' % PORTS[1])
        if raw is not None:
            return self.say(200, raw)
        items = listing_of(repo)
        if spec.get("pages"):
            at = int(query[7:]) if query.startswith("cursor=") else 0
            more = {}
            if at + 1 < len(items):
                more["Link"] = '<%s%s?cursor=%d>; rel="next"' % (here, path, at + 1)
            return self.say(200, json.dumps(items[at:at + 1]).encode(), **more)
        return self.say(200, json.dumps(items).encode())

    def resolve(self, times):
        left, _, right = self.path.partition("/resolve/")
        repo = left[1:]
        file = right.partition("/")[2]
        how = REPOS[repo].get("how")
        if how == "loop":
            return self.say(302, b"", Location=self.path + "x")
        if file not in files_of(repo) or how == "404":
            return self.say(404, b"Entry not found")
        data = files_of(repo)[file]
        sha = hashlib.sha256(data).hexdigest()
        if how == "cdn":
            return self.say(302, b"Found", Location="http://127.0.0.1:%d/blob%s" % (
                PORTS[1], self.path), X_Linked_Etag='"%s"' % sha, X_Linked_Size=str(len(data)))
        if how == "linked":
            return self.say(302, b"Found", Location="http://127.0.0.1:%d/blob%s" % (
                PORTS[1], self.path), X_Linked_Etag='"%s"' % ("cd" * 32))
        if how == "tofile":
            return self.say(302, b"", Location="file:///etc/hostname")
        if how == "nowhere":
            return self.say(302, b"")
        if how == "503":
            return self.say(503, b"try later")
        if how == "flaky" and times == 1:
            return self.say(503, b"try later", Retry_After="0")
        return self.body(data, how, times, '"%s"' % sha)

    def blob(self, path, times):
        repo, _, right = path.partition("/resolve/")
        data = files_of(repo)[right.partition("/")[2]]
        self.body(data, None, times, '"cdn-tag"')

    def body(self, data, how, times, etag):
        want = self.headers.get("Range")
        if_range = self.headers.get("If-Range")
        if how in ("changed", "changed-rude") and times > 1:
            data, etag = B, '"second"'
        if how == "norange":
            want = None
        if if_range and if_range != etag and how != "changed-rude":
            want = None
        start = int(want[6:-1]) if want else 0
        end = len(data)
        if how == "wrongrange" and want:
            return self.say(206, data[:100], ETag=etag,
                            Content_Range="bytes 0-99/%d" % len(data))
        if start >= end and want:
            return self.say(416, b"", Content_Range="bytes */%d" % end)
        if how == "more":
            self.head(200, ETag=etag)
            return self.wfile.write(data + data)
        more = {"Content_Range": "bytes %d-%d/%d" % (start, end - 1, end)} if want else {}
        self.head(206 if want else 200, end - start, ETag=etag, **more)
        if how == "cutalways":
            end = min(end, start + 1000)
        elif how in ("cut", "norange", "changed", "changed-rude", "wrongrange") and times == 1:
            end = 100000
        if how in ("slow", "slower"):
            step = 4000 if how == "slow" else 1000
            while start < end:
                self.wfile.write(data[start:start + step])
                start += step
                time.sleep(0.01)
            return None
        self.wfile.write(data[start:end])
        self.wfile.flush()
        if end < len(data):
            self.close_connection = True
        return None


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass               # clients that hang up are what this is for


def main():
    servers = [Server(("127.0.0.1", 0), Hub) for _ in range(2)]
    for s in servers:
        s.daemon_threads = True
        PORTS.append(s.server_port)
        threading.Thread(target=s.serve_forever, daemon=True).start()
    threading.Timer(300, lambda: os._exit(0)).start()
    print(*PORTS, flush=True)
    sys.stdin.read()
    os._exit(0)


main()
