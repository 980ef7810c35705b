#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the scripts of tests/victims/rows by every hand: each must decide about the same calls.

    tests/victims/run_scripts.py BUILD [--hand GLOB]… [--row GLOB] [--lab] [--keep]

A row of rows/*.toml:
  name     of the row, which has the folder /tmp/NAME: {d}; {long} is a name of 255 bytes, {port} a
           port of its own
  setup    a script that runs before any rule (tests/victims/script/script.h)
  rule     what fault() is given; write=deny("EIO") unless said; "" = none
  script   what runs under it
  want     what each of its operations gives; * = whatever
  counts   (matched, fired) of each rule, -1 = the same for all hands; without it fired is how often `want` has its errno
  verdict  what the row's test ends as where it is no pass, with a reason's code: it is then alone
  hands    the only ones that run it
A hand of rows/hands.toml runs the rows whose rule fits its `only`, by a victim of its `linkage`. Hands
marked `lab` run with --lab: on a kernel that lets them (tests/lab).
"""
import argparse
import fnmatch
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROWS_A_TEST = 40
RULE = 'write=deny("EIO")'

HEAD = '''"""Written by tests/victims/run_scripts.py."""

victim = service("victim", "%s", interface("main", "tcp", 7001), env={"PORT": 7001}, inject="%s",
                 ops={"persist": op(syscalls=["write", "fsync"], path="/tmp/*/wal")}, user="root")

def same(got, want):
    words, wanted = got.split(" "), want.split(" ")
    return len(words) == len(wanted) and all([w in ("*", words[i]) for i, w in enumerate(wanted)])

# One connection to all scripts: the victim accepts and closes none for its own sake meanwhile.
def play(line, name, setup, script, want, under):
    line.send(setup)
    got = under(lambda: line.send(script, timeout="30s"))
    return "" if same(got, want) else name + ": " + got
'''


class Row:
    def __init__(self, table, number):
        self.name, self.rule = table["name"], table.get("rule", RULE)
        fill = {"d": "/tmp/" + self.name, "long": "x" * 255, "port": 9000 + number}
        filled = {k: re.sub(r"\{(\w+)\}", lambda m: str(fill[m[1]]), table.get(k, ""))
                  for k in ("setup", "rule", "script")}
        self.rule = filled["rule"] if "rule" in table else RULE
        self.setup = "; ".join(filter(None, ["mkdir /tmp/" + self.name, filled["setup"]]))
        self.script, self.want = filled["script"], table["want"]
        self.verdict, self.hands = table.get("verdict"), table.get("hands")
        self.counts = table.get("counts")
        self.rules = len(re.findall(r"=\s*(?:deny|delay|allow)\(", self.rule))
        if len(self.want.split()) != len([o for o in self.script.split(";") if o.strip()]):
            raise SystemExit(f"{self.name}: as many words in want as operations in script")

    def source(self):
        under = f"lambda run: fault(victim, run=run, {self.rule})" if self.rule else "lambda run: run()"
        words = ", ".join(json.dumps(w) for w in (self.name, self.setup, self.script, self.want))
        return f"        play(line, {words}, {under}),\n"

    def fires(self):
        """What the report must say, as far as the row knows it: [(matched or None, fired)]."""
        if self.counts:
            return [tuple(one) for one in self.counts]
        if self.rules != 1 or "deny" not in self.rule:
            return [None] * self.rules
        errno = re.search(r'deny\("(\w+)"', self.rule)[1]
        return [(None, self.want.split().count(errno))]


def load():
    rows, names = [], set()
    for file in sorted((HERE / "rows").glob("*.toml")):
        for table in tomllib.loads(file.read_text()).get("row", []):
            rows.append(Row(table, len(rows)))
            if rows[-1].name in names:
                raise SystemExit(f"{rows[-1].name} is there twice")
            names.add(rows[-1].name)
    return rows


def compare(row, fires):
    wrong = []
    for want, fire in zip(row.fires(), fires):
        got = (fire["matched"], fire["fired"])
        if want and (want[1] not in (-1, got[1]) or want[0] not in (None, got[0])):
            wrong.append(f"{row.name}: {fire['rule']}: (matched, fired) is {got}, expected {want}")
    return wrong


class Run:
    def __init__(self, hand, rows, work, build):
        self.hand = hand
        self.spec = work / f"{hand['name']}.star"
        self.victim = build / "victims" / hand.get("linkage", "dynamic") / "script"
        self.build = build
        mine = [r for r in rows if re.search(hand.get("only", ""), r.rule)
                and r.name not in hand.get("never", [])
                and (r.hands is None or hand["name"] in r.hands)]
        together = [r for r in mine if not r.verdict]
        groups = [together[i:i + ROWS_A_TEST] for i in range(0, len(together), ROWS_A_TEST)]
        self.tests = {f"test_{i}": group for i, group in enumerate(groups)}
        self.tests |= {f"test_{r.name}": [r] for r in mine if r.verdict}
        self.told = {}  # by row: what its rules say

    def write(self):
        text = HEAD % (self.victim, self.hand.get("inject", self.hand["name"]))
        for name, group in self.tests.items():
            text += (f"\ndef {name}():\n    line = victim.main.connect()\n    wrong = [\n" + "".join(r.source() for r in group) +
                     "    ]\n    wrong = [w for w in wrong if w]\n    assert_true(not wrong, \" | \".join(wrong))\n")
        self.spec.write_text(text)

    def run(self):
        self.write()
        results = self.spec.with_suffix(".json")
        process = subprocess.run(
            [self.build / "bin/fbx", "run", self.spec, "--json", results, "--timeout", "120s", "--seed", "1"],
            capture_output=True, text=True, timeout=500)
        if not results.exists():
            return [f"no results, exit {process.returncode}: {process.stderr[-2000:]}"]
        by_name = {t["name"]: t for t in json.loads(results.read_text())["tests"]}
        wrong = []
        for name, group in self.tests.items():
            test = by_name.get(name, {"verdict": "missing", "reason": "", "reasons": [], "fires": []})
            wrong += self.judge(name, group, test)
        return wrong

    def judge(self, name, group, test):
        verdict = group[0].verdict or "pass"
        codes = [r["code"] for r in test["reasons"]]
        wanted, _, code = verdict.partition("/")
        if test["verdict"] != wanted or (code and code not in codes):
            return [f"{name}: {test['verdict']} {codes}, expected {verdict}: {test['reason'][:1500]}"]
        wrong, at = [], 0
        for row in group:
            fires = test["fires"][at:at + row.rules]
            at += row.rules
            self.told[row.name] = [(f["rule"], f["matched"], f["fired"]) for f in fires]
            wrong += compare(row, fires)
        escaped = [n for n in test.get("notes", []) if "escaped" in n]
        return wrong + [f"{name}: {n}" for n in escaped]


def differences(runs):
    """The same calls matched and fired, whoever decided."""
    wrong, seen = [], {}
    for run in runs:
        for row, told in run.told.items():
            first, before = seen.setdefault(row, (run.hand["name"], told))
            if before != told:
                wrong.append(f"{row}: {first} {before}, {run.hand['name']} {told}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--hand", action="append", metavar="GLOB", help="may be given more than once")
    parser.add_argument("--row", default="*", metavar="GLOB")
    parser.add_argument("--lab", action="store_true", help="the hands of the lab, too")
    parser.add_argument("--keep", action="store_true", help="keep the specs")
    options = parser.parse_args()
    rows = [r for r in load() if fnmatch.fnmatchcase(r.name, options.row)]
    hands = [h for h in tomllib.loads((HERE / "rows/hands.toml").read_text())["hand"]
             if any(fnmatch.fnmatchcase(h["name"], glob) for glob in options.hand or ["*"])
             and (options.lab or not h.get("lab"))]
    # In the lab nothing but /tmp can be written.
    work = pathlib.Path(tempfile.mkdtemp(
        prefix="scripts-", dir=options.build if os.access(options.build, os.W_OK) else None))
    work.chmod(0o755)
    runs, failed = [], 0
    for hand in hands:
        run = Run(hand, rows, work, options.build.resolve())
        wrong = run.run()
        runs.append(run)
        failed += len(wrong)
        print(f"{'FAILED ' if wrong else 'ok     '} {sum(map(len, run.tests.values()))} scripts by "
              f"{hand['name']}", flush=True)
        for line in wrong:
            print("        " + line)
    for line in differences(runs):
        failed += 1
        print("FAILED  " + line)
    if failed or options.keep:
        print(f"{failed} failed, kept: {work}")
    else:
        shutil.rmtree(work)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
