#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays the specs of table.toml and compares what came with what the table expects.

    tests/specs/run_specs.py [--tier default|ci|full] [--row GLOB]… [--build DIR] [--list]

A row names a spec, how it is run, and its outcome: the exit code and the verdict of every test,
or the code of a refusal. Nothing is skipped: what this machine cannot even try (a row for root,
without root and without sudo) is counted as "could not run". A row that fails keeps its folder
and prints the command that runs it alone. table.toml's head explains the keys.
"""
import argparse
import fnmatch
import itertools
import json
import os
import pathlib
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib

import residue

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIERS = ("default", "ci", "full")
KEYS = {"name", "tier", "spec", "matrix", "env", "args", "user", "before", "argv", "beside",
        "timeout", "exit", "verdicts", "reasons", "refusal", "output", "files", "owner", "residue",
        "removes"}


class Row:
    """One row of the table with one combination of its matrix filled in."""

    def __init__(self, raw, combination, verdict_sets):
        unknown = set(raw) - KEYS
        if unknown or "exit" not in raw:
            sys.exit(f"table.toml, row {raw.get('name')}: unknown or missing: {unknown or 'exit'}")
        self.raw, self.combination = raw, combination
        self.name = raw["name"]
        if combination:
            self.name += "[" + ",".join(combination.values()) + "]"
        self.tier = raw.get("tier", "default")
        self.user = self.fill(raw.get("user", "root"), {})
        self.timeout = raw.get("timeout", 120)
        verdicts = raw.get("verdicts")
        if isinstance(verdicts, str):
            verdicts = verdict_sets[verdicts]
        self.verdicts = verdicts

    def fill(self, value, places):
        """`value` with {name} replaced by the combination and the places, at any depth."""
        if isinstance(value, list):
            return [self.fill(v, places) for v in value]
        if isinstance(value, dict):
            return {self.fill(k, places): self.fill(v, places) for k, v in value.items()}
        if not isinstance(value, str):
            return value
        return re.sub(r"\{(\w+)\}", lambda m: str({**self.combination, **places}[m[1]]), value)


def load_rows(path):
    table = tomllib.loads(path.read_text())
    sets = table.get("verdicts", {})
    rows = []
    for raw in table["row"]:
        matrix = raw.get("matrix", {})
        for values in itertools.product(*matrix.values()):
            rows.append(Row(raw, dict(zip(matrix, values)), sets))
    names = [row.name for row in rows]
    twice = {n for n in names if names.count(n) > 1}
    if twice:
        sys.exit(f"table.toml: two rows are named {twice}")
    return rows


class Machine:
    """What this machine lets us try, found out once, and how a command is run as whom."""

    def __init__(self, build, work):
        self.work = work
        self.is_root = os.geteuid() == 0
        self.sudo = not self.is_root and shutil.which("sudo") is not None and subprocess.run(
            ["sudo", "-n", "true"], capture_output=True).returncode == 0
        self.places = {"root": {"root": ROOT, "build": build}}
        self.places["unprivileged"] = self.stage(build) if self.is_root else self.places["root"]
        self.places["no_namespaces"] = self.places["unprivileged"]

    def stage(self, build):
        """A copy that an ordinary user can read, whatever folder the tree stands in."""
        staged = self.work / "stage"
        copies = [(ROOT / "examples", "examples"), (ROOT / "tests/specs", "tests/specs"),
                  (ROOT / "tests/reach", "tests/reach")]
        copies += [(build / part, "build/" + part)
                   for part in ("bin/fbx", "lib/libfbxshim.so", "examples/partition/dynamic",
                                "examples/partition/static", "victims/dynamic")]
        for source, target in copies:
            (staged / target).parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, staged / target)
            elif source.exists():
                shutil.copy2(source, staged / target)
        subprocess.run(["chmod", "-R", "a+rX", staged], check=True)
        return {"root": staged, "build": staged / "build"}

    def why_not(self, user):
        if user == "root" and not self.is_root and not self.sudo:
            return "not root, and no sudo that asks nothing"
        return ""

    def prefix(self, user, env):
        """What goes before a command so that `user` runs it. `env` is what sudo would drop."""
        if user == "root":
            kept = [f"{k}={v}" for k, v in env.items()]
            return [] if self.is_root else ["sudo", "-n", "env", *kept]
        become = []
        if self.is_root:
            nobody = pwd.getpwnam("nobody")
            become = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}",
                      "--clear-groups"]
        if user == "no_namespaces":
            wrapper = self.places[user]["root"] / "tests/specs/without_user_namespaces.py"
            become += [sys.executable, str(wrapper)]
        return become


class Attempt:
    """One row being run: its folder, its commands, and what came of them."""

    def __init__(self, row, machine):
        self.row, self.machine = row, machine
        self.folder = machine.work / re.sub(r"[^\w.-]", "_", row.name)
        self.folder.mkdir()
        self.folder.chmod(0o777)
        self.places = {**machine.places[row.user], "work": self.folder}
        if "spec" in row.raw:
            self.places["spec"] = self.places["root"] / self.fill(row.raw["spec"])
        self.env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(self.folder),
                    "LC_ALL": "C.UTF-8", **self.fill(row.raw.get("env", {}))}
        self.results = None
        self.text = ""

    def fill(self, value):
        return self.row.fill(value, self.places)

    def command(self, argv):
        fbx = str(self.places["build"] / "bin/fbx")
        return [*self.machine.prefix(self.row.user, self.env), fbx, *argv]

    def main_argv(self):
        argv = self.fill(self.row.raw.get("argv", ["run", "{spec}"])) + self.fill(
            self.row.raw.get("args", []))
        if self.row.verdicts is not None:
            argv += ["--json", str(self.folder / "results.json")]
        return argv

    def call(self, argv):
        """Runs fbx; returns its exit code, and keeps what it said."""
        process = subprocess.Popen(self.command(argv), env=self.env, cwd=self.places["root"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace")
        try:
            said, _ = process.communicate(timeout=self.row.timeout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            try:
                said, _ = process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                said, _ = process.communicate()
            said += f"\nrun_specs: no end within {self.row.timeout} s\n"
            process.returncode = -1
        self.text += said
        (self.folder / "output.txt").write_text(self.text)
        return process.returncode

    def run(self):
        """The list of what is wrong; empty when all came as expected."""
        build = self.places["build"]
        before = residue.present(build)
        beside = None
        if "beside" in self.row.raw:
            beside = subprocess.Popen(self.fill(self.row.raw["beside"]), stdout=subprocess.PIPE)
            beside.stdout.readline()  # it says when it is ready
            before |= residue.present(build)
        try:
            self.remove_files()
            wrong = self.run_commands()
        finally:
            self.remove_files()
            if beside is not None:
                beside.kill()
                beside.wait()
                beside.stdout.close()
        if self.row.raw.get("residue", True):
            wrong += [f"left behind: {what}" for what in residue.left_behind(build, before)]
        return wrong

    def remove_files(self):
        for name in self.fill(self.row.raw.get("removes", [])):
            pathlib.Path(name).unlink(missing_ok=True)

    def run_commands(self):
        if "before" in self.row.raw:
            code = self.call(self.fill(self.row.raw["before"]))
            if code != 0:
                return [f"the command before it ended with {code}"]
        code = self.call(self.main_argv())
        wrong = []
        if code != self.row.raw["exit"]:
            wrong.append(f"exit {code}, expected {self.row.raw['exit']}")
        for pattern in self.fill_patterns(self.row.raw.get("output", [])):
            if not re.search(pattern, self.text, re.M):
                wrong.append(f"the output does not match /{pattern}/")
        refusal = self.row.raw.get("refusal")
        if refusal and f"[refused:{refusal}]" not in self.text:
            wrong.append(f"not refused with [refused:{refusal}]")
        if self.row.verdicts is not None:
            wrong += self.compare_verdicts()
        return wrong + self.compare_files()

    def compare_files(self):
        wrong = []
        for pattern, content in self.row.raw.get("files", {}).items():
            found = list(self.folder.glob(pattern))
            if len(found) != 1:
                wrong.append(f"{len(found)} files are {pattern}, expected one")
            elif not re.search(content, found[0].read_text(errors="replace")):
                wrong.append(f"{found[0]} does not match /{content}/")
        owner = self.row.raw.get("owner")
        if owner is not None:
            kept = [p for top in self.folder.glob("fbx-kept.*") for p in (top, *top.rglob("*"))]
            wrong += [f"{p} is not of uid {owner}" for p in kept if p.lstat().st_uid != owner]
        return wrong

    def fill_patterns(self, patterns):
        return [self.row.fill(p, {k: re.escape(str(v)) for k, v in self.places.items()})
                for p in patterns]

    def compare_verdicts(self):
        try:
            self.results = json.loads((self.folder / "results.json").read_text())
            tests = {test["name"]: test for test in self.results["tests"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            return [f"no results that can be read: {error!r}"]
        expected = self.fill(self.row.verdicts)
        wrong = []
        for name in sorted(expected.keys() | tests.keys()):
            got = tests.get(name, {}).get("verdict", "not run")
            if got != expected.get(name, "not run"):
                reason = tests.get(name, {}).get("reason", "")
                wrong.append(f"{name}: {got}, expected {expected.get(name, 'not run')}: {reason}")
        for name, pattern in self.row.raw.get("reasons", {}).items():
            shown = json.dumps(tests.get(self.fill(name), {}), ensure_ascii=False)
            if not re.search(pattern, shown):
                wrong.append(f"{name}: its reason does not match /{pattern}/")
        return wrong

    def alone(self):
        """The commands that do this by hand."""
        env = [f"{k}={shlex.quote(v)}" for k, v in self.fill(self.row.raw.get("env", {})).items()]
        lines = []
        if "before" in self.row.raw:
            lines.append(self.fill(self.row.raw["before"]))
        lines.append(self.main_argv())
        return [" ".join([*env, shlex.join(self.command(argv))]) for argv in lines]


def run_rows(rows, machine):
    summary = {"ran": 0, "passed": 0, "failed": 0, "refused": 0, "could_not": {}}
    for row in rows:
        why = machine.why_not(row.user)
        if why:
            summary["could_not"][row.name] = why
            print(f"----    {row.name}: could not run: {why}")
            continue
        attempt = Attempt(row, machine)
        began = time.monotonic()
        wrong = attempt.run()
        took = f"{time.monotonic() - began:.1f} s"
        summary["ran"] += 1
        if not wrong:
            summary["passed"] += 1
            summary["refused"] += "refusal" in row.raw
            shutil.rmtree(attempt.folder)
            print(f"ok      {row.name}  {took}", flush=True)
            continue
        summary["failed"] += 1
        print(f"FAILED  {row.name}  {took}")
        for line in wrong:
            print(f"        {line}")
        print(f"        kept: {attempt.folder} (output.txt, results.json)")
        build = machine.places["root"]["build"]
        where = "" if build == ROOT / "build" else f" --build {shlex.quote(str(build))}"
        print(f"        again: tests/specs/run_specs.py{where} --row {shlex.quote(row.name)}")
        for line in attempt.alone():
            print(f"        by hand: {line}", flush=True)
    return summary


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tier", choices=TIERS, default="full")
    parser.add_argument("--row", action="append", metavar="GLOB", help="only rows so named")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--table", type=pathlib.Path,
                        default=pathlib.Path(__file__).with_name("table.toml"))
    parser.add_argument("--list", action="store_true", help="print the rows' names and end")
    parser.add_argument("--summary", type=pathlib.Path, help="write the counts there, as JSON")
    options = parser.parse_args()

    wanted = TIERS[:TIERS.index(options.tier) + 1]
    rows = [row for row in load_rows(options.table) if row.tier in wanted]
    if options.row:  # a name may hold [brackets]: exactly so, or as a glob
        rows = [row for row in rows
                if any(row.name == p or fnmatch.fnmatchcase(row.name, p) for p in options.row)]
        if not rows:
            sys.exit("no row is named so")
    if options.list:
        print("\n".join(row.name for row in rows))
        return 0

    work = pathlib.Path(tempfile.mkdtemp(prefix="fbx-specs-"))
    work.chmod(0o755)
    summary = run_rows(rows, Machine(options.build.resolve(), work))
    shutil.rmtree(work / "stage", ignore_errors=True)
    if not any(work.iterdir()):
        work.rmdir()
    if options.summary:
        options.summary.write_text(json.dumps(summary))
    print(f"specs: {summary['passed']} of {summary['ran']} rows as expected, "
          f"{summary['refused']} of them refusals, {len(summary['could_not'])} could not run")
    return 1 if summary["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
