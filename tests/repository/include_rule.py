#!/usr/bin/env python3
"""A folder may include only the layers below it: docs/internals.md in a form that fails.

    include_rule.py SOURCE_FOLDER

Prints every include of lathe's own headers that the table does not allow, and layers that the table does not know.
"""
import pathlib
import re
import sys

# What a layer includes directly; what these include is allowed too, and base everywhere.
MAY_INCLUDE = {
    "base": [],
    "tensor": [],
    "autograd": ["tensor"],
    "nn": ["autograd"],
    "optim": ["autograd"],
    "tokenizer": [],
    "data": ["tokenizer"],
    "train": ["nn", "optim", "data"],
    "deploy": ["nn", "tokenizer"],
    "nas": [],
    "nas/storage": ["nas"],
    "nas/controller": ["nas", "nn", "optim"],
    "nas/transformer": ["nas", "train", "deploy"],
    "cli": ["nas/transformer", "nas/storage", "nas/controller"],
}
# Parts of nas that belong to its own library.
SAME_LAYER = {"nas/storage/storage.h": "nas", "nas/storage/memory.h": "nas", "nas/storage/memory.cpp": "nas"}


def layer_of(path):
    """The longest name of the table that the path begins with."""
    if path in SAME_LAYER:
        return SAME_LAYER[path]
    names = [name for name in MAY_INCLUDE if path.startswith(name + "/")]
    return max(names, key=len, default=None)


def closure(layer):
    seen, todo = {"base", layer}, [layer]
    while todo:
        for below in MAY_INCLUDE[todo.pop()]:
            if below not in seen:
                seen.add(below)
                todo.append(below)
    return seen


def main():
    root = pathlib.Path(sys.argv[1])
    wrong, files = [], 0
    for path in sorted(p for top in {n.split("/")[0] for n in MAY_INCLUDE} for p in (root / top).rglob("*")):
        if path.suffix not in (".h", ".cpp", ".def"):
            continue
        name = path.relative_to(root).as_posix()
        layer = layer_of(name)
        files += 1
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*(?:<lathe/([^>]+)>|"([^"]+)")', line)
            if not found:
                continue
            if found[2]:
                wrong.append(f'{name}:{number}: "{found[2]}": own headers are included as <lathe/…>')
            elif layer_of(found[1]) not in closure(layer):
                wrong.append(f"{name}:{number}: {layer} may not include {found[1]}")
    if files < 100:
        wrong.append(f"only {files} files found in {root}: is this the source folder?")
    print("\n".join(wrong) or f"{files} files keep to the include rule")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
