#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the specs of table.toml on each sabotaged machine: none may end green where it says so.

    tests/sabotage/run_sabotage.py BUILD [--row GLOB]

First every spec runs unsabotaged and must end as [clean] says, by fbx and by fbx_sabotage: a spec
that fails anyway would prove nothing. table.toml's head explains its keys.
"""
import argparse
import fnmatch
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
TIMEOUT_S = 120


def run(argv, env, log):
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=TIMEOUT_S)
    with log.open("a") as file:
        file.write(" ".join(map(str, argv)) + "\n" + done.stdout)
    return done.returncode


def ended(results):
    """test → (verdict, the codes of its reasons and its notes)."""
    try:
        tests = json.loads(results.read_text())["tests"]
    except (OSError, ValueError, KeyError) as error:
        return {"(results)": (f"unreadable: {error!r}", [])}
    return {t["name"]: (t["verdict"], [r["code"] for r in t["reasons"]] + t.get("notes", []))
            for t in tests}


def fits(expected, verdict, codes):
    """`expected` is "verdict" or "verdict/code"; several by " or ". A note counts by its begin."""
    for one in expected.split(" or "):
        wanted, _, code = one.partition("/")
        if wanted == verdict and (not code or any(one.startswith(code) for one in codes)):
            return True
    return False


def compare(expected, default, found):
    wrong = []
    for name in sorted(expected.keys() - found.keys()):
        wrong.append(f"{name}: did not run")
    for name, (verdict, codes) in found.items():
        wanted = expected.get(name, default)
        if not fits(wanted, verdict, codes):
            wrong.append(f"{name}: {verdict} {codes}, expected {wanted}")
    return wrong


class Table:
    def __init__(self, build, work):
        self.build, self.work = build, work
        self.table = tomllib.loads((HERE / "table.toml").read_text())

    def environment(self, row):
        filled = {k: v.format(build=self.build) for k, v in row.get("env", {}).items()}
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", **filled}

    def rows(self):
        for clean in self.table["clean"]:
            yield {"name": "clean:" + clean["name"], "clean": clean, "tests": clean.get("tests", {}),
                   "otherwise": "pass"}
        cleans = {clean["name"]: clean for clean in self.table["clean"]}
        for row in self.table["row"]:
            for name in row["on"]:
                yield {"name": row["sabotage"] + ":" + name, "sabotage": row["sabotage"],
                       "clean": cleans[name], "tests": row.get("tests", {}),
                       "otherwise": row.get("otherwise", "to be named")}

    def run(self, row):
        folder = self.work / row["name"].replace(":", "-")
        folder.mkdir()
        log, results, plan = folder / "output.txt", folder / "results.json", folder / "plan.toml"
        env = self.environment(row["clean"])
        spec = HERE / "specs" / row["clean"]["spec"]
        wrong = []
        if "sabotage" not in row:
            run([self.build / "bin/fbx", "run", spec, "--json", results], env, log)
            wrong += ["by fbx: " + w for w in compare(row["tests"], "pass", ended(results))]
        # Beside its spec, so that relative names mean the same.
        if run([self.build / "bin/fbx", "compile", spec, "-o", plan], env, log) != 0:
            return ["it does not compile"], log
        results.unlink(missing_ok=True)
        code = run([self.build / "bin/fbx_sabotage", row.get("sabotage", "none"), plan, results],
                   env, log)
        found = ended(results)
        wrong += compare(row["tests"], row["otherwise"], found)
        red = any(verdict not in ("pass", "n/a", "known") for verdict, _ in found.values())
        if red != (code != 0):
            wrong.append(f"exit {code}")
        return wrong, log


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--row", default="*", metavar="GLOB")
    options = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="fbx-sabotage-"))
    table, failed = Table(options.build.resolve(), work), 0
    for row in table.rows():
        if not fnmatch.fnmatchcase(row["name"], options.row):
            continue
        wrong, log = table.run(row)
        print(f"{'FAILED ' if wrong else 'ok     '} {row['name']}", flush=True)
        for line in wrong:
            print(f"        {line}")
        if wrong:
            failed += 1
            print(f"        {log}", flush=True)
    print(f"{failed} failed" + (f", kept: {work}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
