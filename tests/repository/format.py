#!/usr/bin/env python3
"""All C++ files are as clang-format 14 leaves them with .clang-format.

    format.py SOURCE_FOLDER CLANG_FORMAT        prints the files that are not; `clang-format -i FILE` mends one

Exit code 77: clang-format is missing, or of a version that formats differently.
"""
import os
import re
import subprocess
import sys

SUFFIXES = (".h", ".cpp", ".def", ".cu", ".c")


def main():
    root, program = sys.argv[1:3]
    try:
        version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    except OSError:
        version = ""
    if not re.search(r"version 14\.", version):
        print(f"SKIPPED: clang-format 14 is needed (Debian: clang-format-14); found: {version.strip() or 'none'}")
        return 77
    files = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith(".") and not (folder == root and f in ("build", "demo", "runs"))]
        files += [os.path.join(folder, name) for name in sorted(names) if name.endswith(SUFFIXES)]
    done = subprocess.run([program, "--style=file", "--dry-run", *files], capture_output=True, text=True)
    wrong = sorted({os.path.relpath(found[1], root) for found in re.finditer(r"^(.+?):\d+:\d+: ", done.stderr, re.M)})
    if done.returncode != 0 or len(files) < 100:
        print(f"{len(files)} files; clang-format: exit code {done.returncode}\n{done.stderr[:2000]}")
        return 1
    print("".join(f"{path}: not formatted; run clang-format -i on it\n" for path in wrong) or f"{len(files)} files are formatted")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
