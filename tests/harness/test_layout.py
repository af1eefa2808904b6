#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Where things are: includes go down the layers, no file needs one that needs it, files
and functions are short, and the files that comments name exist, as do the names that
tests import."""

import ast
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests"))
from tap import check, main, same, test  # noqa: E402

# Lower ones first: a file includes what is in its own folder or in a lower one.
LAYERS = ("base", "bpf", "kernel", "workload", "reading", "metric", "otlp", "sink",
          "view", "diagnose", "verify", "cmd")
INCLUDE = re.compile(r'^\s*#\s*include "([^"]+)"', re.M)


def files(*patterns):
    out = subprocess.run(["git", "ls-files", "--cached", "--others",
                          "--exclude-standard", *patterns], cwd=TOP,
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    return [f for f in out.splitlines() if os.path.exists(os.path.join(TOP, f))]


def text(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as f:
        return f.read()


def includes(name):
    """What a file includes, by its path in the repository; not what is generated."""
    for at in INCLUDE.findall(text(name)):
        here = os.path.join(os.path.dirname(name), at)
        for path in (os.path.join("agent", at), at, here):
            if os.path.exists(os.path.join(TOP, path)):
                yield os.path.normpath(path)
                break
        else:
            check(at.startswith("proto/") or at == "syscall_table.h",
                  f"{name}: no file {at}")


def layer(name):
    parts = name.split("/")
    if parts[0] == "bpf":
        return LAYERS.index("bpf")
    return LAYERS.index(parts[1]) if len(parts) > 2 else len(LAYERS)


@test("an include goes to the same or a lower layer")
def downwards():
    wrong = [f"{name} includes {other}" for name in files("agent/*.[ch]")
             for other in includes(name) if layer(other) > layer(name)]
    wrong += [f"{name} includes {other}" for name in files("agent/*.[ch]", "bpf/*.h")
              for other in includes(name)
              if other.endswith(".bpf.h") and not name.endswith(".bpf.h")]
    same(wrong, [], "includes that go up")


def circle(arrows):
    """A circle among the arrows (a dict of lists), or None."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        path.append(node)
        found = next(filter(None, map(visit, arrows.get(node, []))), None)
        path.pop()
        done.add(node)
        return found

    return next(filter(None, map(visit, arrows)), None)


@test("no circle of includes")
def no_circle():
    same(circle({"a": ["b"], "b": ["c"], "c": ["b"]}), ["b", "c", "b"], "a circle")
    arrows = {name: list(includes(name)) for name in files("agent/*.[ch]", "bpf/*.[ch]")}
    same(circle(arrows), None, "a circle")


def symbols(obj):
    """Which names an object defines for others, and which it needs."""
    out = subprocess.run(["nm", "-P", os.path.join(TOP, obj)], stdout=subprocess.PIPE,
                         text=True, check=True).stdout
    kinds = [line.split()[:2] for line in out.splitlines()]
    return ({name for name, kind in kinds if kind in "TDBRV"},
            {name for name, kind in kinds if kind == "U"})


@test("no circle of files that call each other, and no call to a higher layer")
def no_circle_of_calls():
    subprocess.run(["make", "-s", "all"], cwd=TOP, check=True, stdout=subprocess.DEVNULL)
    found = {name: symbols(f"build/{name[:-2]}.o") for name in files("agent/*.c")}
    home = {symbol: name for name, (defined, _) in found.items() for symbol in defined}
    arrows = {name: sorted({home[s] for s in needed if s in home} - {name})
              for name, (_, needed) in found.items()}
    check(len(home) > 100, "the objects say nothing")
    same(circle(arrows), None, "a circle")
    same([f"{a} needs {b}" for a in arrows for b in arrows[a] if layer(b) > layer(a)],
         [], "calls that go up")


FILE_MOST, FUNCTION_MOST = 500, 60


def functions(name, whole):
    """The functions of a file, by where they begin, and how many lines they have."""
    if "#!/usr/bin/python3" in whole or name.endswith(".py"):
        for node in ast.walk(ast.parse(whole)):
            if isinstance(node, ast.FunctionDef):
                yield node.lineno, node.end_lineno - node.lineno + 1
        return
    began = None
    for at, line in enumerate(whole.splitlines(), 1):
        if line == "{":
            began = at
        elif line.startswith("}") and began:
            yield began, at - began + 1
            began = None


@test(f"no file has over {FILE_MOST} lines, no function over {FUNCTION_MOST}")
def short():
    same(list(functions("a.c", "int f(void)\n{\n\n\n}\n")), [(2, 4)], "a function")
    wrong, count = [], 0
    for name in files("agent", "bpf", "tests", ".ci", "docs/*.sh"):
        if "/corpus/" in name:
            continue
        whole = text(name)
        if whole.count("\n") > FILE_MOST:
            wrong.append(f"{name}: {whole.count(chr(10))} lines")
        for line, lines in functions(name, whole):
            count += 1
            if lines > FUNCTION_MOST:
                wrong.append(f"{name}:{line}: a function of {lines} lines")
    check(count > 1000, f"only {count} functions found")
    same(wrong, [], "what is too long")


# Sources of Linux itself, by their paths in its tree.
LINUX = re.compile(r"(arch|include|net|block|fs|mm|linux|asm|kernel/(sched|cgroup|bpf))/")
NAME = re.compile(r"(?<![\w/.*<)}-])\w[\w./-]*\.(?:bpf\.)?(?:[chS]|py|sh|md|tbl)\b(?![*/(])")


def named(name):
    """The files that comments, or the whole of a document or script, name."""
    whole = text(name)
    if name.endswith((".c", ".h", ".S")):
        whole = "\n".join(re.findall(r"/\*.*?\*/|//[^\n]*", whole, re.S))
    return set(NAME.findall(whole))


@test("files that comments and documents name exist")
def names_exist():
    ours = files()
    bare = {os.path.basename(f) for f in ours} | {"syscall_table.h"}
    docs = ("ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "Makefile", ".ci")
    wrong = []
    for name in files("agent", "bpf", "tests/*.[ch]", "tests/*.sh", *docs):
        for other in sorted(named(name)):
            paths = (other, f"agent/{other}", f"{os.path.dirname(name)}/{other}")
            if not (other in bare or LINUX.match(other) or "NAME" in other
                    or any(os.path.normpath(p) in ours for p in paths)):
                wrong.append(f"{name}: {other}")
    same(wrong, [], "names of no file")



def is_python(name):
    if name.endswith(".py"):
        return True
    with open(os.path.join(TOP, name), "rb") as f:
        return re.match(rb"#!.*python", f.readline()) is not None


def bound(tree):
    """The names that a module has."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((a.asname or a.name).split(".")[0] for a in node.names)


@test("what tests import from each other is there: a guest's are not run at every change")
def imports_exist():
    trees = {name: ast.parse(text(name)) for name in files("tests", "deploy") if is_python(name)}
    modules, wrong = {}, []
    for name, tree in trees.items():
        module = os.path.basename(name).removesuffix(".py")
        modules.setdefault(module, set()).update(bound(tree))
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in modules:
                wrong += [f"{name}: {a.name} of {node.module}" for a in node.names
                          if a.name not in modules[node.module]]
    same(wrong, [], "what is not there")


# House words that have a term of the field: where, what, what to say.
WORDS = (
    (("tests/*.py", "tests/*.[ch]", "bpf/*.[ch]"), r"\bplaces\b", "entries (of a table)"),
    (("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"), r"\bwalk(s|ed|ing)?\b",
     "a pass (of an iterator); a name of a program or file stands in backquotes"),
)


@test("an entry of a table is no place, and an iterator's pass no walk")
def words():
    wrong = []
    for patterns, word, say in WORDS:
        for name in files(*patterns):
            if name == "tests/harness/test_layout.py":
                continue  # it names them
            plain = re.sub(r"`[^`\n]*`", lambda m: " " * len(m[0]), text(name))
            wrong += [f"{name}:{plain[:m.start()].count(chr(10)) + 1}: {m[0]}: say {say}"
                      for m in re.finditer(word, plain)]
    check(not wrong, "\n".join(wrong))


main()
