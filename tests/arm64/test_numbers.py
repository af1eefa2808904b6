#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""bpf/syscalls_arm.tbl against the headers of arm that the cross compiler has (`make
deps-arm64`). With --print: the lines of the table, of these headers."""

import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests"))

from tap import Skip, check, main, same, test  # noqa: E402

CC = "arm-linux-gnueabihf-gcc"


def preprocess(text, *options):
    return subprocess.run([CC, "-E", "-P", *options, "-"], input=text, stdout=subprocess.PIPE,
                          text=True, check=True).stdout


def of_headers():
    """{name: number}, as the compiler has them: a number may be a sum there."""
    include = "#include <asm/unistd.h>\n"
    try:
        macros = preprocess(include, "-dM")
    except FileNotFoundError as e:
        raise Skip(f"no {CC}: make deps-arm64 installs it") from e
    names = sorted(set(re.findall(r"^#define __NR_([a-z0-9_]+) ", macros, re.M)))
    text = preprocess(include + "".join(f'@ "{n}" __NR_{n}\n' for n in names))
    return {name: sum(map(int, re.findall(r"\d+", number)))
            for name, number in re.findall(r'^@ "(.*)" (.*)$', text, re.M)}


def of_table():
    with open(os.path.join(TOP, "bpf/syscalls_arm.tbl"), encoding="utf-8") as f:
        words = [line.split() for line in f if not line.startswith("#")]
    return {name: int(number) for number, name in words}


@test("the numbers of 32-bit calls on arm64 are those of arm's headers")
def _():
    want, have = of_headers(), of_table()
    check(len(want) > 400, f"{len(want)} numbers in the headers")
    # either may be of a newer kernel
    same([(n, have[n]) for n in have if want.get(n, have[n]) != have[n]], [], "other numbers")
    newest = max(have.values())
    same([n for n in want if n not in have and want[n] <= newest], [], "missing here")


if sys.argv[1:] == ["--print"]:
    for value, key in sorted((v, k) for k, v in of_headers().items()):
        print(value, key)
else:
    main()
