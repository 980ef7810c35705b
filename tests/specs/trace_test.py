#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`fbx run --trace F` keeps what was seen, for its owner alone; `fbx trace F` reads it, or says why not.

    tests/specs/trace_test.py BUILD
"""
import os
import pathlib
import re
import stat
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = ROOT / "tests/specs/many_events.star"
WRITES = 3000


def fbx(build, *arguments):
    return subprocess.run([build / "bin/fbx", *map(str, arguments)], capture_output=True, text=True,
                          errors="replace")


def need(what, got):
    if not got:
        sys.exit(f"trace_test: not so: {what}")
    print("ok", what, flush=True)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    os.umask(0)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "run.trace"
        done = fbx(build, "run", SPEC, "--trace", file)
        need(f"the run passes\n{done.stdout}{done.stderr}", done.returncode == 0)
        mode = stat.S_IMODE(file.stat().st_mode)
        need("the file is private", mode == 0o600)
        owner = int(os.environ.get("SUDO_UID", os.getuid()))
        need("the file is the invoking user's", file.stat().st_uid == owner)
        shown = fbx(build, "trace", file)
        need(f"it is read {shown.stderr}", shown.returncode == 0)
        need("both tests are there", re.findall(r"^(test_\w+): \d+ events, 0 records lost$",
                                                shown.stdout, re.M) == ["test_many", "test_again"])
        writes = len(re.findall(r"writer: write .*numbers", shown.stdout))
        need(f"every write is there: {writes}", writes == 2 * WRITES)
        again = fbx(build, "run", SPEC, "--trace", file, "--test", "test_many")
        need("a second run takes its place", again.returncode == 0)
        need("with its own", "test_again" not in fbx(build, "trace", file).stdout)

        whole = file.read_bytes()
        damaged = {"cut off": whole[:-8], "flipped": whole[:999] + bytes([whole[999] ^ 4]) + whole[1000:],
                   "no trace": b"fbx_plan = 1\n" * 9, "empty": b""}
        for what, data in damaged.items():
            file.write_bytes(data)
            refused = fbx(build, "trace", file)
            need(f"{what}: refused with a reason: {refused.stderr.strip()}",
                 refused.returncode == 1 and str(file) in refused.stderr)
        for bad in (folder, "/nonexistent/run.trace", "/dev/null"):
            refused = fbx(build, "run", SPEC, "--trace", bad)
            need(f"--trace {bad}: nothing runs: {refused.stderr.strip()}",
                 refused.returncode == 1 and "--trace" in refused.stderr and "test_many" not in refused.stdout)


if __name__ == "__main__":
    main()
