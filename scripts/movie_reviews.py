#!/usr/bin/env python3
"""Make reviews.tsv (label, text) from the movie-review sentences that the vaderSentiment 3.3.2 source package carries.

    movie_reviews.py OUT.tsv        fetches the package with pip into the folder of OUT.tsv, unless it is there already

The label is the sign of the mean rating of twenty people; zeros are dropped, and so are repeated sentences (compared by
their lower-cased letters and digits). MIT licence (Hutto & Gilbert, ICWSM 2014). Exit code 3: the package cannot be had.
"""
import hashlib
import io
import os
import subprocess
import sys
import tarfile

PACKAGE = "vaderSentiment==3.3.2"
ARCHIVE = "vaderSentiment-3.3.2.tar.gz"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
RATINGS = "movieReviewSnippets_GroundTruth.txt"


def fetch(folder):
    path = os.path.join(folder, ARCHIVE)
    if not os.path.exists(path):
        command = [sys.executable, "-m", "pip", "download", "-q", "--retries", "1", "--no-deps", "--no-binary", ":all:", "-d", folder]
        try:
            done = subprocess.run([*command, PACKAGE], capture_output=True, text=True, timeout=120)
            reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        except subprocess.TimeoutExpired:
            reason = "pip took more than two minutes"
        if not os.path.exists(path):
            print(f"movie_reviews: cannot fetch {PACKAGE}: {reason}", file=sys.stderr)
            sys.exit(3)
    with open(path, "rb") as f:
        data = f.read()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        print(f"movie_reviews: {path}: SHA-256 is {found}, expected {SHA256}; remove the file to fetch it again", file=sys.stderr)
        sys.exit(3)
    return data


def ratings(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as outer, tarfile.open(fileobj=outer.extractfile(INNER)) as inner:
        member = next(m for m in inner.getmembers() if os.path.basename(m.name) == RATINGS)
        return inner.extractfile(member).read().decode("utf-8", errors="replace")


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__.strip(), file=sys.stderr)
        sys.exit(2)
    out = sys.argv[1]
    folder = os.path.dirname(os.path.abspath(out))
    os.makedirs(folder, exist_ok=True)
    seen, rows, zeros, repeated = set(), [], 0, 0
    for line in ratings(fetch(folder)).splitlines():
        _, rating, text = line.split("\t", 2)
        text = " ".join(text.split())
        key = "".join(c for c in text.lower() if c.isalnum())
        if float(rating) == 0:
            zeros += 1
        elif key in seen:
            repeated += 1
        else:
            seen.add(key)
            rows.append(("positive" if float(rating) > 0 else "negative", text))
    with open(out + ".part", "w", encoding="utf-8", newline="\n") as f:
        f.write("label\ttext\n")
        f.writelines(f"{label}\t{text}\n" for label, text in rows)
    os.replace(out + ".part", out)
    print(f"{out}: {len(rows)} sentences; dropped {zeros} without a sign, {repeated} repeated")


if __name__ == "__main__":
    main()
