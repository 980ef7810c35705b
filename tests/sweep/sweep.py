#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every combination of what a rule can say, against tests/sweep/model.py.

    tests/sweep/sweep.py [--cells N] [--hand auto|seccomp|shim|cgroup|override|fmod_ret|lsm]
                         [--build DIR] [--seed S] [--keep]

A cell is a script of calls under one to three rules in one or two scopes. Cells are drawn from a
fixed seed, fifty to a test; the service answers what became of each call, and the verdict's counts
(matched, fired) must be the model's as well.
"""
import argparse
import errno
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import model

ROOT = pathlib.Path(__file__).resolve().parents[2]
CELLS_A_TEST = 50
TESTS_A_SPEC = 20
ERRNOS = ["EIO", "ENOSPC", "EACCES", "EPERM", "EDQUOT", "EROFS", "EFBIG", "EINTR", "EAGAIN", "ENOMEM",
          "EBADF", "EMFILE", "ENFILE", "ENODEV", "ESTALE", "ETIMEDOUT", "EOVERFLOW", "EREMOTEIO"]
KEYWORDS = ["write", "fsync", "open", "read", "space", "modify", "unlink", "mkdir", "pwrite64", "writev",
            "fdatasync"]
PATHS = ["/tmp/c/a", "/tmp/c/b", "/tmp/c/*", "/tmp/*", "/tmp/**", "/tmp/c/new.*", "/other/**", "/*/c/a", "**"]
DIALS = ["kx", "kx", "ky", "kz"]
DIAL_KINDS = ["any", "socket", "stream", "udp"]
PEERS = ["127.0.0.1:7101", "127.0.0.1:7102", "localhost:7101", "[::1]:7101", "127.0.0.1:1", "caller"]
KINDS = ["any", "file", "pipe", "unix", "socket"]
# What a hand in the kernel does not tell: paths that a call names, what only the file system knows.
NAMES_PATHS = ["open", "space", "modify", "unlink", "mkdir"]
OUT_OF_REACH = {"override": ["space", "modify", "connect"], "fmod_ret": [*NAMES_PATHS, "connect"],
                "lsm": [*NAMES_PATHS, "fsync", "fdatasync", "connect"]}
WORDS = ["wa", "wb", "ws", "wn", "wm", "wp", "wu", "va", "vb", "vp", "vu", "pa", "pb", "pp", "qa", "ra",
         "rb", "rm", "fa", "fb", "fs", "fp", "da", "db", "oa", "ob", "ta", "cx", "mx", "ux"]


def draw_rule(rng, keywords, hand):
    keyword = rng.choice(keywords)
    rule = model.Rule(keyword=keyword, action=rng.choice(["deny", "deny", "deny", "allow"]))
    if rule.action == "deny":
        rule.errname = rng.choice(ERRNOS)
        rule.errno = getattr(errno, rule.errname)
    if rng.random() < 0.3:
        rule.nth = rng.randint(1, 4)
    else:
        rule.after = rng.choice([None, None, 0, 1, 3])
        rule.every = rng.choice([None, None, 1, 2, 3])
        rule.max_fires = rng.choice([None, None, 1, 2])
    rule.probability = rng.choice([None] * 6 + [0, 1, 1])
    if keyword == "connect":
        rule.to = rng.choice([None, None, *PEERS])
        rule.on = rng.choice([None, None, None, *DIAL_KINDS])
        return rule
    if rng.random() < 0.4:
        rule.path = rng.choice(PATHS)
    if hand in OUT_OF_REACH and keyword in NAMES_PATHS:
        rule.path = None
    if keyword in ("write", "fsync", "read", "pwrite64", "writev") and rng.random() < 0.3:
        # What the kernel refuses before it asks a security hook (a seek on a pipe) is an escape.
        rule.on = rng.choice(KINDS if hand != "lsm" else ["file"])
    return rule


def spelled(rule):
    options = [f'"{rule.errname}"'] if rule.action == "deny" else []
    for name in ("nth", "after", "every", "max_fires"):
        if getattr(rule, name) is not None:
            options.append(f"{name}={getattr(rule, name)}")
    if rule.probability is not None:
        options.append(f"probability={float(rule.probability)}")
    if rule.path is not None:
        options.append(f'path="{rule.path}"')
    if rule.on is not None:
        options.append(f'on="{rule.on}"')
    if rule.to is not None:
        options.append("to=caller" if rule.to == "caller" else f'to="{rule.to}"')
    return f"{rule.keyword}={rule.action}({', '.join([*options, 'optional=True'])})"


class Cell:
    def __init__(self, rng, keywords, words_of_all, hand):
        self.scopes = []
        for _ in range(rng.choice([1, 1, 2])):
            rules = {}
            for _ in range(rng.choice([1, 1, 2])):
                rule = draw_rule(rng, keywords, hand)
                rules.setdefault(rule.keyword, rule)
            self.scopes.append(list(rules.values()))
        self.threads, self.processes = rng.choice([(1, 1)] * 6 + [(3, 1), (1, 3), (2, 2)])
        alone = self.threads * self.processes == 1
        # Most calls are some rule's business.
        near = [w for w in words_of_all if any(r.matches(model.Call(w)) for s in self.scopes for r in s)]
        words = [rng.choice(near if near and rng.random() < 0.7 else words_of_all)
                 for _ in range(rng.randint(4, 14))]
        # Who gets which ordinal is nobody's to say: the same call over and over is the same to all.
        self.words = words if alone else [words[0]] * len(words)
        times = self.threads * self.processes
        results = model.outcomes([model.Call(w) for w in self.words * times], self.scopes)
        tokens = ["." if r == 0 else str(r) for r in results]
        self.want = " ".join(tokens) if alone else " ".join(sorted(tokens))
        self.counts = [(r.matched, r.fired) for scope in self.scopes for r in scope]

    def line(self):
        return " ".join([str(self.threads), str(self.processes), *self.words])

    def source(self):
        call = "lambda: caller.main.send(%s)" % json.dumps(self.line())
        for scope in reversed(self.scopes):
            call = "lambda: fault(caller, run=%s, %s)" % (call, ", ".join(map(spelled, scope)))
        return "    check(%s, %s, %s)\n" % (call, json.dumps(self.want), self.threads * self.processes == 1)


HEAD = '''"""Drawn by tests/sweep/sweep.py."""

caller = service("caller", env("VICTIM"), interface("main", "tcp", 7001), env={"PORT": 7001}, inject="%s")

def check(run, want, ordered):
    got = run()
    assert_eq(got if ordered else " ".join(sorted([t for t in got.split(" ") if t != "|"])), want)
'''


def compare(spec, tests, results):
    wrong = []
    by_name = {test["name"]: test for test in results["tests"]}
    for name, cells in tests.items():
        test = by_name.get(name, {"verdict": "missing", "reason": ""})
        if test["verdict"] != "pass":
            wrong.append(f"{spec}: {name}: {test['verdict']}: {test['reason']}")
            continue
        want = [count for cell in cells for count in cell.counts]
        got = [(fire["matched"], fire["fired"]) for fire in test["fires"]]
        if want != got:
            at = next((i for i, (w, g) in enumerate(zip(want, got)) if w != g), min(len(want), len(got)))
            wrong.append(f"{spec}: {name}: rule {at} of {len(want)}: (matched, fired) is "
                         f"{got[at:at + 1]}, expected {want[at:at + 1]}: "
                         f"{[fire['rule'] for fire in test['fires'][at:at + 1]]}")
    return wrong


def run_spec(spec, options, tests):
    results = spec.with_suffix(".json")
    victim = options.build.resolve() / "victims" / options.linkage / "caller"
    process = subprocess.run(
        [options.build / "bin/fbx", "run", spec, "--json", results], capture_output=True, text=True,
        env={**os.environ, "VICTIM": str(victim)}, timeout=600)
    if not results.exists():
        return [f"{spec}: no results, exit {process.returncode}: {process.stderr[-2000:]}"]
    return compare(spec, tests, json.loads(results.read_text()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=int, default=5000)
    parser.add_argument("--hand", default="seccomp")
    parser.add_argument("--linkage", default="dynamic", choices=["dynamic", "static"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--keep", action="store_true", help="keep the specs")
    options = parser.parse_args()

    rng = random.Random(options.seed)
    work = pathlib.Path(tempfile.mkdtemp(prefix="fbx-sweep-"))
    # The hooks decide about dials alone, and they alone in the kernel.
    dials_only = options.hand == "cgroup"
    keywords = ["connect"] if dials_only else [*KEYWORDS, "connect", "connect"]
    keywords = [k for k in keywords if k not in OUT_OF_REACH.get(options.hand, [])]
    words = DIALS if dials_only else [*WORDS, *DIALS]
    cells = [Cell(rng, keywords, words, options.hand) for _ in range(options.cells)]
    groups = [cells[i:i + CELLS_A_TEST] for i in range(0, len(cells), CELLS_A_TEST)]
    wrong = []
    for at in range(0, len(groups), TESTS_A_SPEC):
        spec = work / f"sweep_{at // TESTS_A_SPEC}.star"
        tests = {f"test_{at + i}": group for i, group in enumerate(groups[at:at + TESTS_A_SPEC])}
        spec.write_text(HEAD % options.hand + "".join(
            f"\ndef {name}():\n" + "".join(cell.source() for cell in group)
            for name, group in tests.items()))
        wrong += run_spec(spec, options, tests)
    for line in wrong[:20]:
        print(line)
    fired = sum(count[1] > 0 for cell in cells for count in cell.counts)
    print(f"sweep: {len(cells)} cells by {options.hand} on a {options.linkage} program, "
          f"{sum(len(c.counts) for c in cells)} rules, {fired} of them fired; "
          f"{len(wrong)} of {len(groups)} tests differ")
    if not wrong and not options.keep:
        shutil.rmtree(work)
    else:
        print(f"kept: {work}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
