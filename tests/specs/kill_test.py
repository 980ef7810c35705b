#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SIGKILL to one process of fbx, or to all of them, in the middle of a run: nothing is left.

    tests/specs/kill_test.py BUILD [--rounds N] [--seed S] [--user root|unprivileged|no_namespaces]

Each round starts the partition chapter, lets a random part of its usual time pass, picks one of
fbx's own processes (front, keeper, worker, guard, nanny: whatever is there) and kills it. Then
the run must end by itself and a second later no process, mount, cgroup or BPF program of it may be left;
when all were killed at once, an empty cgroup directory may, and the next run must remove it.
A run that says it passed must have passed every test.
"""
import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import residue
import run_specs

WAL = pathlib.Path("/tmp/inventory.wal")  # what the chapter leaves where tests have no /tmp of their own
BOUND_S = 30.0  # for a run to end, whatever happened to it


class Identity:
    """Who runs the chapter, and where it stands for them."""

    def __init__(self, user, build, work):
        machine = run_specs.Machine(build, pathlib.Path(work))
        places = machine.places[user]
        self.build, self.root = places["build"], places["root"]
        self.begin = [*machine.prefix(user, {}), str(self.build / "bin/fbx"), "run",
                      str(self.root / "examples/partition/partition-test.star")]
        self.args = ["--no-isolation"] if user == "no_namespaces" else []


class Run:
    """One run of the chapter, in the background."""

    def __init__(self, who, folder):
        self.build = who.build
        os.chmod(folder, 0o777)
        self.results = pathlib.Path(folder) / "results.json"
        self.process = subprocess.Popen(
            [*who.begin, *who.args, "--json", self.results], cwd=who.root,
            env={**os.environ, "BIN": str(who.build / "examples/partition/dynamic")},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def own_processes(self):
        """fbx's processes, and none of the services'."""
        fbx = str(self.build / "bin/fbx")
        return [pid for pid, program in residue.processes(self.build).items() if program == fbx]

    def end(self):
        """What it said. A run that does not end is an error of its own."""
        try:
            return self.process.communicate(timeout=BOUND_S)[0]
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            return None


def passed_tests(run):
    try:
        tests = json.loads(run.results.read_text())["tests"]
    except (OSError, ValueError, KeyError):
        return 0
    return sum(test["verdict"] == "pass" for test in tests)


def kill_some(run, choice, draw):
    """Kills one of the run's processes, or all; says which."""
    pids = sorted(run.own_processes())
    if not pids:
        return "nothing (it had ended)"
    victims = pids if choice == "all" else [draw.choice(pids)]
    names = []
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
            names.append("the front" if pid == run.process.pid else f"number {pids.index(pid)}")
        except ProcessLookupError:
            pass
    return f"{', '.join(names)} of {len(pids)}"


def one_round(who, draw, usual_s, all_tests):
    build = who.build
    before = residue.present(build)
    choice = draw.choice(["one", "one", "one", "all"])
    after_s = draw.uniform(0.0, usual_s)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(who, folder)
        time.sleep(after_s)  # the moment of the kill, not a wait for something
        killed = kill_some(run, choice, draw)
        said = run.end()
        left = residue.left_behind(
            build, before, lambda what: choice == "all" and what.startswith("cgroup "))
        wrong = [f"left behind: {what}" for what in left]
        if said is None:
            wrong.append(f"no end within {BOUND_S} s")
        if run.process.returncode == 0 and passed_tests(run) != all_tests:
            wrong.append(f"exit 0 with {passed_tests(run)} of {all_tests} tests passed")
    print(f"{'FAILED' if wrong else 'ok'}: killed {killed} after {after_s:.3f} s", flush=True)
    if wrong:
        print("\n".join(wrong), said, sep="\n", flush=True)
    return not wrong


def undisturbed(who):
    """A whole run: its time in s, and how many tests passed. Also sweeps what was left before."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        run = Run(who, folder)
        said = run.end()
        if run.process.returncode != 0:
            sys.exit(f"the undisturbed run ended with {run.process.returncode}:\n{said}")
        return time.monotonic() - began, passed_tests(run)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--user", choices=("root", "unprivileged", "no_namespaces"),
                        default="root")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="fbx-kill-") as work:
        os.chmod(work, 0o755)
        who = Identity(options.user, options.build.resolve(), work)
        before = residue.present(who.build)
        usual_s, all_tests = undisturbed(who)
        bad = sum(not one_round(who, draw, usual_s, all_tests) for _ in range(options.rounds))
        undisturbed(who)  # removes the empty cgroups that were allowed
        left = residue.left_behind(who.build, before)
        if options.user == "no_namespaces":
            WAL.unlink(missing_ok=True)
    print("\n".join(f"left behind at the end: {what}" for what in left))
    print(f"{options.rounds} rounds, {bad} bad, seed {options.seed}")
    return 1 if bad or left else 0


if __name__ == "__main__":
    sys.exit(main())
