#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever hand does it, a fault does the same: tests/specs/reach.toml on this machine.

    tests/reach/run_reach.py BUILD [--user unprivileged] [--victim GLOB] [--hand GLOB]… [--lab]

Each victim is run under each hand. The answers are asserted by reach.star; here the table is: that
the hand was the one that must do it, that what matched and fired is the same for all hands, and that
a refusal is listed, with its reason. --user: the
hands that an ordinary user has, who must be able to read the tree. Nothing is skipped: a victim that can't be built fails.
"""
import argparse
import fnmatch
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE.parent / "specs/reach.toml"
TIMEOUT_S = 300


class Reach:
    def __init__(self, build, work, user):
        self.work, self.user, self.prefix = work, user, []
        self.table = tomllib.loads(TABLE.read_text())
        self.hands = [hand for hand in self.table["hand"] if hand.get("user", "root") == user]
        self.places = {"reach": build / "reach", "tests": HERE, "work": work}
        self.fbx = build / "bin/fbx"
        if user != "root":
            nobody = pwd.getpwnam("nobody")
            self.prefix = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}",
                           "--clear-groups"]
            work.chmod(0o777)

    def fill(self, text):
        return text.format(**self.places)

    def prepare(self, victim):
        if "setuid" in victim:
            copy = self.work / "setuid"
            shutil.copy(self.fill(victim["setuid"]), copy)
            copy.chmod(0o4755)

    def run(self, victim, hand):
        """test → its entry in --json."""
        results = self.work / f"{victim['name']}-{hand['name']}.json"
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8",
               "VICTIM": self.fill(victim["binary"]), "RUN_AS": victim.get("user", ""),
               "ARGS": json.dumps([self.fill(arg) for arg in victim.get("args", [])]),
               **victim.get("marks", {})}
        done = subprocess.run(
            [*self.prefix, self.fbx, "run", HERE / "reach.star", "--seed", "1", "--inject", hand["name"],
             "--json", results],
            env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=TIMEOUT_S)
        results.with_suffix(".txt").write_text(done.stdout)
        try:
            return {test["name"]: test for test in json.loads(results.read_text())["tests"]}
        except (OSError, ValueError, KeyError):
            return {"(run)": {"verdict": "no results", "reason": done.stdout[-500:], "hands": {},
                              "fires": [], "reasons": []}}

    def judge(self, victim, hand, tests):
        wrong = []
        everything = victim.get("refused", {}).get(hand["name"], hand.get("refused"))
        does = hand.get("does", ["test_nothing"])
        wanted = victim.get("auto") if hand["name"] == "auto" else None
        for name, test in tests.items():
            refused = hand.get("faults", {}).get(name, everything)
            if refused and name not in does:
                if test["verdict"] != "inconclusive" or not re.search(refused, test["reason"]):
                    wrong.append(f"{name}: {test['verdict']} ({test['reason']}), to be refused: "
                                 f"{refused}")
                continue
            if test["verdict"] != "pass":
                wrong.append(f"{name}: {test['verdict']}: {test['reason']}")
            for note in test.get("notes", []):
                if "escaped" in note:
                    wrong.append(f"{name}: {note}")
            for what, by in test["hands"].items():
                if hand["name"] != "auto" and by.split(",")[0] != hand["name"]:
                    wrong.append(f"{name}: {what} by {by}")
                # The gate stands in every program's way; whether a fault met it depends on the call.
                must = hand.get("takes", {}).get(what.rpartition(".")[2], wanted)
                if must and by.split(",")[0] != must.split(",")[0]:
                    wrong.append(f"{name}: {what} by {by}, not by {must}")
        if wanted and "gate" in wanted and not any(
                "gate" in by for test in tests.values() for by in test["hands"].values()):
            wrong.append("nothing met the gate")
        return wrong

    def same(self, victim, by_hand):
        """What matched and fired must not depend on the hand."""
        def told(tests):
            return {name: sorted((f["rule"], f["matched"], f["fired"], sorted(f["by"].items()))
                                 for f in test["fires"])
                    for name, test in tests.items() if test["verdict"] == "pass" and test["fires"]}
        wrong, seen = [], {}
        for hand, tests in by_hand.items():
            for name, fires in told(tests).items():
                first, before = seen.setdefault(name, (hand, fires))
                if before != fires:
                    wrong.append(f"{name}: {first} {before}, {hand} {fires}")
        if by_hand and not seen:
            wrong.append("no hand did any fault of it")
        return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--user", default="root", choices=["root", "unprivileged"])
    parser.add_argument("--victim", default="*", metavar="GLOB")
    parser.add_argument("--hand", action="append", metavar="GLOB", help="may be given more than once")
    parser.add_argument("--lab", action="store_true", help="the hands of the lab, too")
    options = parser.parse_args()
    # Not below /tmp or /var/tmp, which a test's own cover. In the lab nothing else can be written.
    build = options.build.resolve()
    work = pathlib.Path(tempfile.mkdtemp(
        prefix="reach-", dir=build if os.access(build, os.W_OK) else None))
    work.chmod(0o755)
    reach, failed = Reach(build, work, options.user), 0
    for victim in reach.table["victim"]:
        if not fnmatch.fnmatchcase(victim["name"], options.victim):
            continue
        reach.prepare(victim)
        by_hand = {}
        for hand in reach.hands:
            if not any(fnmatch.fnmatchcase(hand["name"], glob) for glob in options.hand or ["*"]):
                continue
            if hand.get("lab") and not options.lab:
                continue
            tests = reach.run(victim, hand)
            by_hand[hand["name"]] = tests
            wrong = reach.judge(victim, hand, tests)
            failed += bool(wrong)
            print(f"{'FAILED ' if wrong else 'ok     '} {victim['name']} by {hand['name']}",
                  flush=True)
            for line in wrong:
                print(f"        {line}")
        for line in reach.same(victim, by_hand):
            failed += 1
            print(f"FAILED  {victim['name']}: {line}")
    print(f"{failed} failed" + (f", kept: {work}" if failed else ""))
    if not failed:
        shutil.rmtree(work)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
