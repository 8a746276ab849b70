"""Every sampler and pruner with every option stands in docs/search.md, with the default that the code has.

usage: option_table.py SOURCE
"""
import pathlib
import re
import sys

source = pathlib.Path(sys.argv[1])
errors = []


def documented():
    """{kind: {name: {option: default}}} of the two tables."""
    tables = {}
    kind = name = None
    for line in (source / "docs/search.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            kind = None
        elif cells[0] in ("sampler", "pruner") and cells[1:3] == ["option", "default"]:
            kind = cells[0]
            tables[kind] = {}
        elif kind and not cells[0].startswith("---"):
            name = cells[0].strip("`") or name
            options = tables[kind].setdefault(name, {})
            if cells[1] != "none":
                options[cells[1].strip("`")] = cells[2]
    return tables


def implemented(kind):
    """{name: {option: default as it is written}} of the registry and the files."""
    registry = (source / "nas/registry.cpp").read_text()
    # tags of SamplerRegistry::builtin() and PrunerRegistry::builtin()
    body = registry.split(f"{kind.capitalize()}Registry::builtin() {{")[1].split("\n}")[0]
    found = {}
    names = re.findall(r'r\.add\("([a-z0-9]+)@', body)
    if kind == "sampler":  # the one that needs the engine registers itself
        names += re.findall(r'registry\.add\("([a-z0-9]+)@', (source / "nas/controller/controller.cpp").read_text())
    for name in names:
        options = found[name] = {}
        file = source / f"nas/{kind}/{name}.cpp"
        if name == "controller": file = source / "nas/controller/controller.cpp"
        text = file.read_text() if file.exists() else body  # random and none have no file
        listed = re.search(r"(?:check_settings|Options options)\([^{]*\{([^}]*)\}\)", text)
        for option in re.findall(r'"(\w+)"', listed.group(1)) if file.exists() else []:
            options[option] = None
        for option, default in re.findall(r'(?:whole|real|flag|setting|whole_setting)\((?:[^"()]*"pruner \w+", )?(?:[^"()]*, )?"(\w+)", ([^,)]+(?:\([^)]*\))?)', text):
            if options.get(option) is None:
                chosen = f'count("{option}") ?' in text  # absent means something that no number says
                options[option] = "absent" if chosen else default.strip()
    return found


def same(documented_default, code):
    """Where the code has a plain number the document begins with it; else people compare."""
    number = {"true": "1", "false": "0"}.get(code, code)
    if code is None or not re.fullmatch(r"[\d.]+", number):
        return True
    return re.match(r"[\d.]*", documented_default).group(0) == number


tables = documented()
checked = 0
for kind in ("sampler", "pruner"):
    code = implemented(kind)
    docs = tables.get(kind, {})
    for name in sorted(set(code) ^ set(docs)):
        errors.append(f"docs/search.md: {kind} `{name}` is {'missing' if name in code else 'not in the code'}")
    for name in sorted(set(code) & set(docs)):
        for option in sorted(set(code[name]) ^ set(docs[name])):
            where = "missing" if option in code[name] else "not in the code"
            errors.append(f"docs/search.md: option `{option}` of {kind} `{name}` is {where}")
        for option in sorted(set(code[name]) & set(docs[name])):
            checked += 1
            if code[name][option] is None:
                errors.append(f"nas/{kind}/{name}.cpp: the default of `{option}` was not found")
            elif not same(docs[name][option], code[name][option]):
                errors.append(f"docs/search.md: {kind} `{name}`: `{option}` is {docs[name][option]}, the code has {code[name][option]}")

if checked < 30:
    errors.append(f"only {checked} options were found in code and document: the check looks at the wrong thing")
print("\n".join(errors) or f"{checked} options agree")
sys.exit(1 if errors else 0)
