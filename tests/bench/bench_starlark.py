#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How quick the language is: whole processes of starlark_run beside the machine's python3.

    scripts/bench starlark [ROUNDS] [--python PATH] [--only WORD]

Each row is one program, the same text for both (Python gets a class `struct` in front, which the
host predeclares for Starlark). Each round runs every program once with each; both must print the
same. Processor time (user and system) of the processes, start and end included: a busy machine
counts little. Medians of the rounds with their spread, and the median of the rounds' ratios: at or
below 1.00 is the aim. At the end, the specs in examples/ from source to bytecode, in process.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(sys.argv[0]).absolute().parents[1]  # of the link in build/bin
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"

PYTHON_STRUCT = '''
class struct:
    def __init__(self, name, port, visit):
        self.name = name
        self.port = port
        self.visit = visit
'''

# Name -> body of main(); what comes before "main:" stands in front of it.
PROGRAMS = {
    "start and end": "main: print(1)",
    "empty loop": """main:
    for _ in range(20000000):
        pass
    print("end")""",
    "int add": """main:
    total = 0
    for i in range(10000000):
        total = total + i
    print(total)""",
    "dict read": """main:
    ports = {"orders": 8080, "inventory": 5432, "billing": 7000, "front": 80}
    total = 0
    for i in range(8000000):
        total = total + ports["billing"]
    print(total)""",
    "function call, positional": """
def later(t, n):
    return t + n
main:
    total = 0
    for i in range(5000000):
        total = later(total, i)
    print(total)""",
    "function call, keyword": """
def later(t, n):
    return t + n
main:
    total = 0
    for i in range(5000000):
        total = later(t=total, n=i)
    print(total)""",
    "string concat": """main:
    total = 0
    for _ in range(40):
        s = ""
        for i in range(100000):
            s = s + "line "
        total = total + len(s)
    print(total)""",
    "% format": """main:
    total = 0
    for i in range(1500000):
        total = total + len("%s-%d" % ("order", i))
    print(total)""",
    "comprehension": """main:
    total = 0
    numbers = range(1000)
    for _ in range(5000):
        total = total + len([n + 1 for n in numbers])
    print(total)""",
    "list append of 2 M": """main:
    out = []
    for i in range(2000000):
        out.append(i)
    print(len(out))""",
    "dict insert of 2 M": """main:
    out = {}
    for i in range(2000000):
        out[i] = i
    print(len(out))""",
    "attribute read": """main:
    service = struct(name="orders", port=8080, visit=None)
    total = 0
    for i in range(8000000):
        total = total + service.port
    print(total)""",
    "method call, of a string": """main:
    line = "GET /orders"
    total = 0
    for i in range(5000000):
        if line.startswith("GET"):
            total = total + 1
    print(total)""",
    "method call, of a dict": """main:
    ports = {"orders": 8080, "inventory": 5432, "billing": 7000, "front": 80}
    total = 0
    for i in range(5000000):
        total = total + ports.get("billing")
    print(total)""",
    "method call, of a struct": """
def visit(n):
    return n
main:
    service = struct(name="orders", port=8080, visit=visit)
    total = 0
    for i in range(5000000):
        total = total + service.visit(i)
    print(total)""",
    "sort of 1 M, ints": """main:
    x = 12345
    numbers = []
    for i in range(1000000):
        x = (x * 1103515245 + 12345) % 2147483648
        numbers.append(x)
    print(sorted(numbers)[500000])""",
    "sort of 1 M, strings": """main:
    x = 12345
    names = []
    for i in range(1000000):
        x = (x * 1103515245 + 12345) % 2147483648
        names.append("name %d" % x)
    print(sorted(names)[500000])""",
}


def write_programs(folder, only):
    """(row, file for Starlark, file for Python)"""
    out = []
    for number, (row, text) in enumerate(PROGRAMS.items()):
        if only not in row:
            continue
        text = text.replace("main:", "def main():", 1) + "\nmain()\n"
        starlark, python = folder / f"{number}.star", folder / f"{number}.py"
        starlark.write_text(text)
        python.write_text(PYTHON_STRUCT + text)
        out.append((row, starlark, python))
    return out


def timed(*command):
    """Milliseconds of processor time, and what it printed."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command} ended with {process.returncode}")
    return (used.ru_utime + used.ru_stime) * 1e3, said


def spread(values):
    return f"{statistics.median(values):9.1f} ({min(values):.1f} … {max(values):.1f})"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", nargs="?", type=int, default=7)
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    options = parser.parse_args()
    version = subprocess.run([options.python, "--version"], capture_output=True, text=True, check=True)
    ours, theirs = {}, {}
    with tempfile.TemporaryDirectory(prefix="starlark-bench-") as name:
        programs = write_programs(pathlib.Path(name), options.only)
        for _ in range(options.rounds):
            for row, starlark, python in programs:
                mine, said = timed(BUILD / "bin/starlark_run", starlark)
                other, python_said = timed(options.python, python)
                if said != python_said:
                    sys.exit(f"{row}: starlark_run says {said!r}, python3 {python_said!r}")
                ours.setdefault(row, []).append(mine)
                theirs.setdefault(row, []).append(other)
    print(f"{options.rounds} rounds, {version.stdout.strip()} ({options.python}); "
          "ms: median (lowest … highest)")
    print(f"  {'':26} {'starlark_run':>30} {'python3':>32}   ratio (lowest … highest)")
    for row in ours:
        ratios = [a / b for a, b in zip(ours[row], theirs[row])]
        mark = " " if statistics.median(ratios) <= 1 else "*"
        print(f"{mark} {row:26} {spread(ours[row]):>30} {spread(theirs[row]):>32}   "
              f"{statistics.median(ratios):.2f} ({min(ratios):.2f} … {max(ratios):.2f})")
    if not options.only:
        specs = sorted(EXAMPLES.glob("*/*-test.star"))
        subprocess.run([BUILD / "bench/starlark_compile", *specs], check=True)


if __name__ == "__main__":
    main()
