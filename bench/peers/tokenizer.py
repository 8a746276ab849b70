#!/usr/bin/env python3
"""Tokenizing a column of a TSV file with a BERT vocabulary: MB/s of lathe beside Hugging Face tokenizers, one thread each, alternating,
and whether every id is the same.

    tokenizer.py BUILD train.tsv --vocab FILE [--column sentence] [--rounds 3] [--seconds 2]
"""
import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import BertWordPieceTokenizer, __version__  # noqa: E402

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("build")
ap.add_argument("train")
ap.add_argument("--vocab", required=True)
ap.add_argument("--column", default="sentence")
ap.add_argument("--rounds", type=int, default=3)
ap.add_argument("--seconds", type=float, default=2.0)
a = ap.parse_args()

with open(a.train, encoding="utf-8") as f: rows = [line.rstrip("\n").split("\t") for line in f]
if a.column not in rows[0]: sys.exit(f"tokenizer: {a.train} has no column {a.column}; it has {', '.join(rows[0])}")
column = rows[0].index(a.column)
texts = [row[column] for row in rows[1:]]
size = sum(len(text.encode()) for text in texts)


def lathe():
    command = [os.path.join(a.build, "bench", "bench_tokenizer"), a.vocab, a.train, a.column, str(a.seconds)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0: sys.exit(f"tokenizer: {done.stderr}")
    return json.loads(done.stdout)


def hugging_face():
    tokenizer = BertWordPieceTokenizer(a.vocab, lowercase=True)
    encode = getattr(tokenizer._tokenizer, "encode_batch_fast", tokenizer._tokenizer.encode_batch)  # the one without offsets
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < a.seconds or len(times) < 3:
        begin = time.perf_counter()
        for i in range(0, len(texts), 256): encode(texts[i:i + 256])
        times.append(time.perf_counter() - begin)
    ids = "".join(f"{i} " for e in encode(texts) for i in e.ids)
    return {"mb_per_s": size / statistics.median(times) * 1e-6, "ids": hashlib.sha256(ids.encode()).hexdigest()}


found = [(lathe(), hugging_face()) for _ in range(a.rounds)]
ours = statistics.median(l["mb_per_s"] for l, _ in found)
theirs = statistics.median(h["mb_per_s"] for _, h in found)
same = all(l["ids"] == h["ids"] for l, h in found)
print(f"{len(texts):,} texts, {size / 1e6:.1f} MB: lathe {ours:.1f} MB/s, tokenizers {__version__} {theirs:.2f} MB/s: "
      f"{ours / theirs:.1f} times; every id the same: {'yes' if same else 'NO'}")
sys.exit(0 if same else 1)
