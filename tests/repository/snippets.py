#!/usr/bin/env python3
"""Every example that the documentation shows, as a test: README.md, docs/*.md, and the comments of public headers.

    snippets.py extract SOURCE OUT          C++ examples become files in OUT (at configuration; the build compiles them)
    snippets.py program SOURCE NAME EXE      runs a compiled one and compares its output with its `// → …` comments
    snippets.py shell SOURCE LATHE DOCUMENT runs the console, bash, toml, usage and cmake blocks of a document in order

What a fenced block of each language promises:
    cpp      It compiles, and runs with exit code 0. Without a main() it is the body of one; its #include lines go before it.
             What it prints is, line by line, what follows `// → ` in it, if there is any.
    console  Commands after "$ ", then what they print, streams together. "…" stands for anything in a line; a line "…" for any lines.
             A command above no output must succeed and may print anything; one above output must succeed unless `echo $?` follows.
    bash     All commands succeed.
    toml     `lathe check` accepts it as a configuration for this test's data.
    usage    `lathe COMMAND … --option`: the help of each command knows each option.
    cmake    tests/consumer/CMakeLists.txt, which the test `consumer` builds, has each of these lines.
    text     Prose or output, no promise: must stand in NOT_RUN.

The blocks of a document run in one folder, in which `reviews.tsv` and `demo/reviews.tsv` are small stand-ins for the reader's
data, and `examples` is the one of the source.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from include_rule import MAY_INCLUDE  # noqa: E402: nothing is written into the source

# Blocks that no test runs, by document and first line, with the reason. Printed by the tests.
NOT_RUN = {
    ("README.md", "./demo.sh      # installs what is missing (Debian 12), builds, fetches movie reviews, searches, tests, exports, shows"):
        "installs packages, builds lathe, and this test runs inside ./test.sh",
    ("README.md", "test: 1,057 rows, read once; mean and 95 % interval over seeds and rows"): "the end of ./demo.sh, which searches for minutes on data from the network",
    ("docs/testing.md", "./test.sh                     # release and clang, one after the other"): "this test runs inside ./test.sh",
    ("docs/testing.md", "ctest --test-dir build/release -L conformance         # bits: kernels, training steps, studies"):
        "this test runs inside ctest",
}

LANGUAGES = ("cpp", "console", "bash", "toml", "usage", "cmake", "text")
TIMEOUT_S = 600


class Block:
    def __init__(self, document, line, language):
        self.document, self.line, self.language, self.lines = document, line, language, []
        self.number = 0  # among the blocks of its document, from 1

    def place(self):
        return f"{self.document}:{self.line}"

    def key(self):
        return (self.document, self.lines[0] if self.lines else "")

    def name(self):
        return re.sub(r"[^a-z0-9]+", "_", f"{self.document.removeprefix('docs/').removesuffix('.md')}_{self.number}".lower())

    def text(self):
        return "\n".join(self.lines) + "\n"


def documents(source):
    return ["README.md"] + [p.relative_to(source).as_posix() for p in sorted((source / "docs").glob("**/*.md"))]


def blocks_of(source, document):
    """The fenced blocks. Stops at a block of no known language, and at code that is not fenced, which no test would see."""
    found, open_block, before = [], None, ""
    for number, line in enumerate((source / document).read_text(encoding="utf-8").splitlines(), 1):
        fence = re.match(r"```(.*)$", line)
        if fence and open_block is None:
            if fence[1] not in LANGUAGES:
                sys.exit(f"{document}:{number}: a block of language '{fence[1]}'; known: {' '.join(LANGUAGES)}")
            open_block = Block(document, number + 1, fence[1])
        elif fence:
            found.append(open_block)
            open_block.number = len(found)
            open_block = None
        elif open_block is not None:
            open_block.lines.append(line)
        elif re.match(r"    |\t", line) and not before.strip():
            sys.exit(f"{document}:{number}: an indented code block: fence it, and name its language")
        before = line
    if open_block is not None:
        sys.exit(f"{open_block.place()}: the block does not end")
    return found


def all_blocks(source):
    found = [b for d in documents(source) for b in blocks_of(source, d)]
    keys = {b.key() for b in found}
    for key in NOT_RUN:
        if key not in keys:
            sys.exit(f"snippets.py: NOT_RUN names a block that does not exist: {key}")
    for block in found:
        if block.language == "text" and block.key() not in NOT_RUN:
            sys.exit(f"{block.place()}: a text block that NOT_RUN does not list")
    return found


# ---- C++

def write_if_changed(path, text):
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def program_of(block, source):
    place = f'#line {{}} "{source / block.document}"\n'
    if re.search(r"\bint main\(", block.text()):
        return place.format(block.line) + block.text()
    head, body = "", place.format(block.line) + "int main() {"
    for at, line in enumerate(block.lines):
        if line.startswith("#include"):
            head += place.format(block.line + at) + line + "\n"
            line = ""
        body += line + "\n"
    return head + body + "}\n"


def header_examples(source):
    """Indented code in the comments of headers: (name, text), named <folder>_<header>_<number>.inc."""
    found = []
    for path in sorted(p for top in {layer.split("/")[0] for layer in MAY_INCLUDE} for p in (source / top).rglob("*.h")):
        name = path.relative_to(source).as_posix()
        lines, count, block = path.read_text(encoding="utf-8").splitlines() + [""], 0, []
        for number, line in enumerate(lines, 1):
            code = re.match(r"\s*//[/!]? {3,}(.*)", line)
            if code:
                block.append((number, code[1]))
                continue
            if any(re.search(r"([)}\"];|\{)\s*(//.*)?$", text) for _, text in block):
                count += 1
                body = "".join(text + "\n" for _, text in block)
                found.append((f"{name.removesuffix('.h').replace('/', '_')}_{count}.inc", f'#line {block[0][0]} "{path}"\n{body}'))
            block = []
    return found


def extract(source, out):
    out.mkdir(parents=True, exist_ok=True)
    wanted = set()
    for block in all_blocks(source):
        if block.language == "cpp" and block.key() not in NOT_RUN:
            wanted.add(block.name() + ".cpp")
            write_if_changed(out / (block.name() + ".cpp"), program_of(block, source))
    included = set(re.findall(r'#include "([^"]+\.inc)"', (source / "tests/repository/header_examples.cpp").read_text(encoding="utf-8")))
    examples = dict(header_examples(source))
    for name in sorted(set(examples) - included):
        sys.exit(f"tests/repository/header_examples.cpp does not include {name}, an example in a header:\n{examples[name]}")
    for name in sorted(included - set(examples)):
        sys.exit(f"tests/repository/header_examples.cpp includes {name}: that header has no such example (any more)")
    for name, text in examples.items():
        wanted.add(name)
        write_if_changed(out / name, text)
    for old in out.iterdir():
        if old.name not in wanted:
            old.unlink()


def program(source, name, executable):
    block = next(b for b in all_blocks(source) if b.name() == name)
    expected = [m[1] for line in block.lines if (m := re.search(r"// → (.*)$", line))]
    with tempfile.TemporaryDirectory(prefix="lathe-snippet-") as folder:
        prepare(source, pathlib.Path(folder))
        done = subprocess.run([executable], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S)
    if done.returncode != 0:
        sys.exit(f"{block.place()}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    if expected and (wrong := difference(expected, done.stdout.splitlines())):
        sys.exit(f"{block.place()}: {wrong}")
    print(f"{block.place()}: compiled, ran" + (f", printed the {len(expected)} lines it says" if expected else ""))


# ---- Shell

def reviews(rows):
    good, bad = ["charming", "moving", "brilliant", "warm", "clever"], ["dull", "stale", "awful", "weak", "tedious"]
    lines = ["label\ttext"]
    for i in range(rows):
        words = good if i % 2 == 0 else bad
        lines.append(f"{'positive' if i % 2 == 0 else 'negative'}\t{words[i // 2 % 5]} film number {i} of the {words[i // 10 % 5]} kind")
    return "\n".join(lines) + "\n"


def prepare(source, folder):
    (folder / "demo").mkdir()
    for name in ("reviews.tsv", "demo/reviews.tsv"):
        (folder / name).write_text(reviews(240), encoding="utf-8")
    (folder / "examples").symlink_to(source / "examples")


def environment(folder, lathe):
    programs = folder / ".bin"
    programs.mkdir()
    (programs / "lathe").symlink_to(lathe)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LATHE_")}
    return kept | {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder), "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}


def matches(pattern, line):
    return re.fullmatch(".*".join(re.escape(p) for p in pattern.split("…")), line) is not None


def fits(expected, got):
    """Do the lines fit, where a line "…" is any number of lines?"""
    if not expected:
        return not got
    if expected[0].strip() == "…":
        return any(fits(expected[1:], got[i:]) for i in range(len(got) + 1))
    return bool(got) and matches(expected[0], got[0]) and fits(expected[1:], got[1:])


def difference(expected, got):
    got = [line.rstrip() for line in got]
    if fits([line.rstrip() for line in expected], got):
        return None
    return "the document shows\n" + "\n".join("    " + l for l in expected) + "\nbut it printed\n" + "\n".join("    " + l for l in got)


def bash(script, folder, env, place):
    try:
        return subprocess.run(["bash", "-c", script], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as late:
        sys.exit(f"{place}: not done after {TIMEOUT_S} s\n{(late.output or b'').decode(errors='replace')}")


def run_console(block, folder, env):
    commands = []  # [line number, command, expected lines]
    for at, line in enumerate(block.lines):
        if line.startswith("$ "):
            commands.append([block.line + at, line[2:], []])
        elif not commands:
            sys.exit(f"{block.place()}: a console block begins with \"$ \"")
        elif commands[-1][1].endswith("\\") and not commands[-1][2]:
            commands[-1][1] += "\n" + line
        else:
            commands[-1][2].append(line)
    mark = "@@@ lathe snippet"
    script = f"mark() {{ local code=$?; printf '\\n{mark} %s %s\\n' \"$1\" $code; return $code; }}\n"
    for number, (_, command, _) in enumerate(commands):
        script += command + f"\nmark {number}\n"
    done = bash(script, folder, env, block.place())
    parts = re.split(rf"\n{mark} (\d+) (\d+)\n", done.stdout)
    if len(parts) != 3 * len(commands) + 1:
        sys.exit(f"{block.place()}: the block ended early\n{done.stdout}")
    for number, (line, command, expected) in enumerate(commands):
        output, code = parts[3 * number].splitlines(), int(parts[3 * number + 2])
        place = f"{block.document}:{line}: {command}"
        asked = number + 1 < len(commands) and "$?" in commands[number + 1][1]
        if code != 0 and not asked:
            sys.exit(f"{place}\nexit code {code}\n{parts[3 * number]}")
        if expected and (wrong := difference(expected, output)):
            sys.exit(f"{place}\n{wrong}")


def run_usage(block, folder, env):
    for line in block.lines:
        words = re.match(r"lathe ([a-z]+)(?: ([a-z]+(?:\|[a-z]+)+))?", line)
        if not words:
            sys.exit(f"{block.place()}: not of the form 'lathe COMMAND …': {line}")
        for second in words[2].split("|") if words[2] else [""]:
            command = f"{words[1]} {second}".strip()
            done = subprocess.run(["lathe", *command.split(), "--help"], cwd=folder, env=env, capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"{block.place()}: no such command: lathe {command}\n{done.stderr}")
            for option in re.findall(r"--[a-z][a-z-]*", line):
                if not re.search(re.escape(option) + r"\b", done.stdout):
                    sys.exit(f"{block.place()}: lathe {command} has no {option}")


def run_toml(block, folder, env):
    (folder / "snippet.toml").write_text(block.text(), encoding="utf-8")
    done = subprocess.run(["lathe", "check", "reviews.tsv", "-c", "snippet.toml"], cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{block.place()}: lathe check: exit code {done.returncode}\n{done.stdout}{done.stderr}")


def shell(source, lathe, document):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lathe-snippets-"))
    try:
        prepare(source, folder)
        env = environment(folder, lathe)
        for block in [b for b in all_blocks(source) if b.document == document]:
            what = block.language
            if block.key() in NOT_RUN:
                print(f"{block.place()}: {what}: NOT RUN: {NOT_RUN[block.key()]}")
                continue
            if what == "console":
                run_console(block, folder, env)
            elif what == "bash":
                done = bash("set -euo pipefail\n" + block.text(), folder, env, block.place())
                if done.returncode != 0:
                    sys.exit(f"{block.place()}: exit code {done.returncode}\n{done.stdout}")
            elif what == "toml":
                run_toml(block, folder, env)
            elif what == "usage":
                run_usage(block, folder, env)
            elif what == "cmake":
                consumer = (source / "tests/consumer/CMakeLists.txt").read_text(encoding="utf-8")
                known = {line.strip() for line in consumer.splitlines()}
                for line in block.lines:
                    if line.strip() and line.strip() not in known:
                        sys.exit(f"{block.place()}: tests/consumer/CMakeLists.txt has no such line: {line}")
            print(f"{block.place()}: {what}: " + ("compiled by the build" if what == "cpp" else "as the document says"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    arguments = sys.argv[2:]
    source = pathlib.Path(arguments[0]).resolve()
    if sys.argv[1] == "extract":
        extract(source, pathlib.Path(arguments[1]))
    elif sys.argv[1] == "program":
        program(source, arguments[1], arguments[2])
    elif sys.argv[1] == "shell":
        shell(source, pathlib.Path(arguments[1]).resolve(), arguments[2])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
