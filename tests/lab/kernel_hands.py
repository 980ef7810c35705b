#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The hands that fail calls in the kernel, on a kernel that lets them: in one boot of the lab.

    scripts/lab tests/lab/kernel_hands.py BUILD

The tests are those of the other hands: cells against the model, scripts of calls, victims in every
linkage; and what the machine is said to be able to do must be so.
"""
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CELLS = 100
HANDS = ("override", "fmod_ret", "lsm")


def run(name, command, timeout=900):
    if str(command[0]).endswith(".py"):
        command = [sys.executable, *command]
    began = time.monotonic()
    done = subprocess.run([str(word) for word in command], cwd=ROOT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=timeout)
    print(f"{'ok     ' if done.returncode == 0 else 'FAILED '} {name}  "
          f"{time.monotonic() - began:.0f} s", flush=True)
    if done.returncode != 0:
        print(done.stdout[-4000:], flush=True)
    return done


def main():
    build = pathlib.Path(sys.argv[1])
    failed = 0
    doctor = run("doctor", [build / "bin/fbx", "doctor"])
    for hand in (*HANDS, "cgroup"):
        if not re.search(rf"^  {hand} +works", doctor.stdout, re.MULTILINE):
            print(f"FAILED  the doctor says that {hand} does not work:\n{doctor.stdout}")
            failed += 1
    failed += run("programs load and attach", [build / "bin/inject_programs_test"]).returncode != 0
    for hand in HANDS:
        for linkage in ("dynamic", "static"):
            failed += run(f"sweep by {hand}, {linkage}",
                          ["tests/sweep/sweep.py", "--build", build, "--hand", hand, "--linkage",
                           linkage, "--cells", CELLS, "--seed", 7]).returncode != 0
    hands = [word for hand in HANDS for word in ("--hand", hand)]
    failed += run("scripts", ["tests/victims/run_scripts.py", build, "--lab", *hands]).returncode != 0
    # seccomp beside them: the same calls must match and fire.
    hands += ["--hand", "seccomp"]
    for victim in ("c_dynamic", "c_static", "c_raw", "go_static", "shell_pipeline"):
        failed += run(f"reach of {victim}", ["tests/reach/run_reach.py", build, "--lab", "--victim",
                                             victim, *hands]).returncode != 0
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
