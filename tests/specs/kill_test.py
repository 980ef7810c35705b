#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SIGKILL to one process of fbx, or to all of them, in the middle of a run: nothing is left.

    tests/specs/kill_test.py BUILD [--rounds N] [--seed S]

Each round starts the partition chapter, lets a random part of its usual time pass, picks one of
fbx's own processes (front, keeper, worker, guard: whatever is there) and kills it. Then the run
must end by itself and a second later no process, mount, cgroup or BPF program of it may be left;
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

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = ROOT / "examples/partition/partition-test.star"
BOUND_S = 30.0  # for a run to end, whatever happened to it


class Run:
    """One run of the chapter, in the background."""

    def __init__(self, build, folder):
        self.build = build
        self.results = pathlib.Path(folder) / "results.json"
        self.process = subprocess.Popen(
            [build / "bin/fbx", "run", SPEC, "--json", self.results], cwd=ROOT,
            env={**os.environ, "BIN": str(build / "examples/partition/dynamic")},
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


def one_round(build, draw, usual_s, all_tests):
    before = residue.present(build)
    choice = draw.choice(["one", "one", "one", "all"])
    after_s = draw.uniform(0.0, usual_s)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(build, folder)
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


def undisturbed(build):
    """A whole run: its time in s, and how many tests passed. Also sweeps what was left before."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        run = Run(build, folder)
        said = run.end()
        if run.process.returncode != 0:
            sys.exit(f"the undisturbed run ended with {run.process.returncode}:\n{said}")
        return time.monotonic() - began, passed_tests(run)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    build, draw = options.build.resolve(), random.Random(options.seed)

    before = residue.present(build)
    usual_s, all_tests = undisturbed(build)
    bad = sum(not one_round(build, draw, usual_s, all_tests) for _ in range(options.rounds))
    undisturbed(build)  # removes the empty cgroups that were allowed
    left = residue.left_behind(build, before)
    print("\n".join(f"left behind at the end: {what}" for what in left))
    print(f"{options.rounds} rounds, {bad} bad, seed {options.seed}")
    return 1 if bad or left else 0


if __name__ == "__main__":
    sys.exit(main())
