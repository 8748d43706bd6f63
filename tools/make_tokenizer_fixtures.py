#!/usr/bin/env python3
"""Write tests/fixtures/token: small vocabularies and what the reference makes of
random text with them.

usage: make_tokenizer_fixtures.py OUT_DIR [NAME=VOCAB ...]
needs: tokenizers, sentencepiece, gguf, unicodedata2 == 16.0.0 (PyPI)

For each family a byte-level BPE vocabulary of about 1,500 tokens is trained here
with `tokenizers` on generated text, under the pre_tokenizer of the family; for
SentencePiece one is trained with `sentencepiece` and stored twice, as GGUF
metadata and as the tokenizer.json form of the same pieces. NAME=VOCAB adds a
vocabulary that already exists (a tokenizer.json, or a GGUF file of model gpt2):
only its ids are written.

FAMILY.ids holds, for each of 2,000 strings, two 32-bit FNV-1a hashes of ids: of
the string with special tokens looked for (a trusted segment) and without (a
plain one). The strings themselves come from a generator that is here and in
tests/support/random_text.c; both must change together. For the first 12 strings
the ids follow the hashes, to see where a difference begins.
"""
import json
import os
import struct
import sys
import tempfile

import gguf
import sentencepiece
import unicodedata2
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers,
                        pre_tokenizers, trainers)

COUNT, SHOWN, SEED = 2000, 12, 20261121
M64 = (1 << 64) - 1

# ---- the generator; its twin is tests/support/random_text.c ----

WORDS = ["the", "of", "and", "answer", "is", "number", "think", "because", "therefore",
         "Question", "total", "hundred", "price", "How", "many", "apples", "left", "her",
         "DON", "don", "we", "return", "int", "for", "if", "else", "malloc", "sizeof",
         "printf", "x", "y", "equation", "step", "first", "Paris", "unhappiness", "running",
         "HTTP", "json", "token", "na\u00efve", "caf\u00e9", "stra\u00dfe", "\u043f\u0440\u0438\u0432\u0435\u0442",
         "\u4f60\u597d", "\u4e16\u754c", "\u3053\u3093", "\ud55c\uad6d", "\u0645\u0631\u062d\u0628\u0627", "\u03bb\u03cc\u03b3\u03bf\u03c2"]
SPACES = ["\n", "\r\n", "\n\n", "\t", " \n", "\n ", "  \n\n  ", "\u00a0", "\u3000", "\u2028",
          "\u0085", " \t ", "\x0b", "\x1c"]
PUNCT = "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~"
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'Re", "'vE",
                "'\u017f", "'x", "'l", "'"]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>",
            "<tool_call>", "<|im_start", "<|", "<s>", "</s>", "think>"]
RANGES = [(0x00A1, 0x5E), (0x0100, 0x150), (0x0391, 0x38), (0x0410, 0x40), (0x05D0, 0x1B),
          (0x0621, 0x20), (0x0660, 0x0A), (0x0905, 0x35), (0x093E, 0x10), (0x0E01, 0x30),
          (0x1100, 0x100), (0x1E00, 0x100), (0x2010, 0x20), (0x2070, 0x20), (0x2150, 0x3A),
          (0x2190, 0x60), (0x2460, 0x80), (0x3041, 0x56), (0x3220, 0x0A), (0x4E00, 0x5000),
          (0xAC00, 0x2BA4), (0xE000, 0x20), (0xF900, 0x100), (0xFE00, 0x10), (0xFF01, 0x5E),
          (0x1D400, 0x55), (0x1D7CE, 0x32), (0x1F300, 0x100), (0x1F600, 0x50),
          (0x1F1E6, 0x1A), (0x20000, 0x1000), (0x12400, 0x60), (0x200B, 0x05), (0x0300, 0x70)]
RUNS = ["a", "=", " ", "\n", "\u4e00", "9", "\u0301"]


class Random:
    """splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""

    def __init__(self, seed, i):
        self.state = (seed << 32 ^ i) & M64

    def pick(self, n):
        self.state = (self.state + 0x9E3779B97F4A7C15) & M64
        z = self.state
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & M64
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & M64
        return (z ^ z >> 31) % n


def atom(r):
    kind = r.pick(20)
    if kind < 6:
        space = " " if r.pick(4) else ""
        return space + WORDS[r.pick(len(WORDS))]
    if kind == 6:
        return "".join(chr(97 + r.pick(26)) for _ in range(1 + r.pick(8)))
    if kind < 9:
        return "".join(chr(48 + r.pick(10)) for _ in range(1 + r.pick(6)))
    if kind == 9:
        return " " * (1 + r.pick(4))
    if kind == 10:
        return SPACES[r.pick(len(SPACES))]
    if kind < 13:
        return "".join(PUNCT[r.pick(len(PUNCT))] for _ in range(1 + r.pick(4)))
    if kind == 13:
        return CONTRACTIONS[r.pick(len(CONTRACTIONS))]
    if kind < 17:
        base, span = RANGES[r.pick(len(RANGES))]
        return "".join(chr(base + r.pick(span)) for _ in range(1 + r.pick(5)))
    if kind == 17:
        base = chr(97 + r.pick(26))
        return base + "".join(chr(0x300 + r.pick(0x70)) for _ in range(1 + r.pick(4)))
    if kind == 18:
        return SPECIALS[r.pick(len(SPECIALS))]
    return RUNS[r.pick(len(RUNS))] * (30 + r.pick(200)) if r.pick(8) == 0 else " "


def random_text(seed, i):
    r = Random(seed, i)
    return "".join(atom(r) for _ in range(1 + r.pick(24)))


# ---- the families ----

REGEX = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s"
         r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def split(number):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(REGEX % number), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def pipeline(family):
    """(pre_tokenizer, normalizer, ignore_merges)"""
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    return {
        "gpt2": (whole, None, False),
        "llama3": (split(r"\p{N}{1,3}"), None, True),
        "qwen2": (split(r"\p{N}"), normalizers.NFC(), False),
        "smollm": (pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                            whole]), None, False),
    }[family]


def added_tokens():
    return ([AddedToken(s, special=True, normalized=False) for s in SPECIALS[:3]]
            + [AddedToken(s, special=False, normalized=False) for s in SPECIALS[3:6]])


def train(family):
    pre, normalizer, ignore_merges = pipeline(family)
    t = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    t.pre_tokenizer = pre
    if normalizer:
        t.normalizer = normalizer
    t.decoder = decoders.ByteLevel()
    text = [random_text(SEED + 1, i) for i in range(6000)]
    t.train_from_iterator(text, trainers.BpeTrainer(
        vocab_size=1500, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.add_special_tokens(added_tokens()[:3])
    t.add_tokens(added_tokens()[3:])
    return t


def plain_twin(t):
    """The same tokenizer without its added tokens."""
    d = json.loads(t.to_str())
    names = {x["content"] for x in d["added_tokens"]}
    d["added_tokens"] = []
    for name in names:
        d["model"]["vocab"].pop(name, None)
    return Tokenizer.from_str(json.dumps(d))


# ---- output ----

def fnv(ids):
    h = 0x811C9DC5
    for byte in struct.pack("<%di" % len(ids), *ids):
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    return h


def write_ids(path, trusted, plain):
    with open(path, "w") as f:
        f.write("%d %d\n" % (SEED, COUNT))
        for i in range(COUNT):
            text = random_text(SEED, i)
            a, b = trusted(text), plain(text)
            f.write("%08x %08x" % (fnv(a), fnv(b)))
            if i < SHOWN:
                f.write(" " + ",".join(map(str, a)) + " " + ",".join(map(str, b)))
            f.write("\n")


def write_ids_of(path, t):
    twin = plain_twin(t)
    write_ids(path, lambda s: t.encode(s, add_special_tokens=False).ids,
              lambda s: twin.encode(s, add_special_tokens=False).ids)


def write_json(path, d):
    with open(path, "w") as f:
        json.dump(d, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")


def make_sentencepiece(out):
    with tempfile.TemporaryDirectory() as tmp:
        corpus = os.path.join(tmp, "text")
        with open(corpus, "w") as f:
            for i in range(6000):
                f.write(random_text(SEED + 2, i).replace("\n", " ").replace("\r", " ") + "\n")
        sentencepiece.SentencePieceTrainer.train(
            input=corpus, model_prefix=os.path.join(tmp, "m"), model_type="bpe",
            vocab_size=2200, byte_fallback=True, normalization_rule_name="identity",
            remove_extra_whitespaces=False, character_coverage=0.98, minloglevel=2,
            max_sentencepiece_length=24)
        sp = sentencepiece.SentencePieceProcessor(model_file=os.path.join(tmp, "m.model"))
    n = sp.get_piece_size()
    pieces = [sp.id_to_piece(i) for i in range(n)]
    kinds = [2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else 1
             for i in range(n)]
    w = gguf.GGUFWriter(os.path.join(out, "spm.gguf"), "llama")
    w.add_tokenizer_model("llama")
    w.add_token_list(pieces)
    w.add_token_scores([sp.get_score(i) for i in range(n)])
    w.add_token_types(kinds)
    w.add_bos_token_id(sp.bos_id())
    w.add_eos_token_id(sp.eos_id())
    w.add_unk_token_id(sp.unk_id())
    w.add_add_space_prefix(True)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()

    special = {p: i for i, (p, k) in enumerate(zip(pieces, kinds)) if k in (2, 3)}

    def trusted(text):
        ids, done, at = [], 0, 0
        while at < len(text):
            found = [p for p in special if text.startswith(p, at)]
            if not found:
                at += 1
                continue
            if at > done:
                ids += sp.encode(text[done:at])
            ids.append(special[found[0]])
            done = at = at + len(found[0])
        return ids + (sp.encode(text[done:]) if done < len(text) else [])

    write_ids(os.path.join(out, "spm.ids"), trusted, sp.encode)

    # The same pieces as a tokenizer.json: every way to join two pieces into a
    # third, in the order of the third's score.
    words = {p: i for i, p in enumerate(pieces) if kinds[i] == 1}
    merges = []
    for p, i in words.items():
        joins = [(p[:k], p[k:]) for k in range(1, len(p)) if p[:k] in words and p[k:] in words]
        merges += [(-sp.get_score(i), words[a], words[b], a + " " + b) for a, b in joins]
    merges.sort()
    mark = "\u2581"
    d = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": pieces[i], "single_word": False,
                          "lstrip": False, "rstrip": False, "normalized": False,
                          "special": True} for i in sorted(special.values())],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": mark},
            {"type": "Replace", "pattern": {"String": " "}, "content": mark}]},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                     {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [sp.bos_id()],
                                       "tokens": ["<s>"]}}},
        "decoder": None,
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>",
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                  "vocab": {p: i for i, p in enumerate(pieces)},
                  "merges": [m[3] for m in merges]},
    }
    write_json(os.path.join(out, "spm.json"), d)
    hf = Tokenizer.from_str(json.dumps(d))
    write_ids(os.path.join(out, "spm_json.ids"),
              lambda s: hf.encode(s, add_special_tokens=False).ids,
              lambda s: plain_marks(hf, s))


def plain_marks(hf, text):
    """Ids of text in which special tokens are only text. Without them the
    tokenizer has no <unk>, which byte fallback never needs."""
    if not hasattr(plain_marks, "twin"):
        d = json.loads(hf.to_str())
        d["added_tokens"], d["post_processor"] = [], None
        plain_marks.twin = Tokenizer.from_str(json.dumps(d))
    return plain_marks.twin.encode(text, add_special_tokens=False).ids


def open_vocabulary(path):
    if path.endswith(".json"):
        return Tokenizer.from_file(path)
    r = gguf.GGUFReader(path)
    field = lambda k: r.fields["tokenizer.ggml." + k].contents()
    tokens, kinds = field("tokens"), field("token_type")
    pre, normalizer, ignore_merges = pipeline(
        {"gpt-2": "gpt2", "smollm": "smollm", "qwen2": "qwen2", "llama-bpe": "llama3"}[field("pre")])
    t = Tokenizer(models.BPE(
        {s: i for i, s in enumerate(tokens)},
        [tuple(m.split(" ")) for m in field("merges")], ignore_merges=ignore_merges))
    t.pre_tokenizer = pre
    if normalizer:
        t.normalizer = normalizer
    t.add_special_tokens([AddedToken(s, special=True, normalized=False)
                          for s, k in zip(tokens, kinds) if k == 3])
    t.add_tokens([AddedToken(s, special=False, normalized=False)
                  for s, k in zip(tokens, kinds) if k == 4])
    return t


# ---- the tables ----

def check_classes():
    """The reference's \\p{L}, \\p{N} and \\s are those of the generated tables."""
    codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]

    def members(regex):
        cut, out = pre_tokenizers.Split(Regex(regex), "removed"), set()
        for i in range(0, len(codes), 4096):
            part = codes[i:i + 4096]
            left = set()
            for piece, _ in cut.pre_tokenize_str("".join(map(chr, part))):
                left.update(map(ord, piece))
            out |= set(part) - left
        return out

    category = {c: unicodedata2.category(chr(c)) for c in codes}
    assert members(r"\p{L}") == {c for c in codes if category[c][0] == "L"}
    assert members(r"\p{N}") == {c for c in codes if category[c][0] == "N"}
    assert members(r"\s") == {c for c in codes if category[c][0] == "Z"
                              or 9 <= c <= 13 or c == 0x85}


def main(out, *more):
    os.makedirs(out, exist_ok=True)
    check_classes()
    for family in ("gpt2", "llama3", "qwen2", "smollm"):
        t = train(family)
        write_json(os.path.join(out, family + ".json"), json.loads(t.to_str()))
        write_ids_of(os.path.join(out, family + ".ids"), t)
    make_sentencepiece(out)
    for pair in more:
        name, path = pair.split("=", 1)
        write_ids_of(os.path.join(out, name + ".ids"), open_vocabulary(path))


main(*sys.argv[1:])
