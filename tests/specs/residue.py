# SPDX-License-Identifier: Apache-2.0
"""What a run of fbx could leave behind on this machine, and whether it did.

Looked at from outside, by what the kernel lists: processes whose program lies below the build
folder, mounts of this namespace, cgroup directories and (as root) BPF programs. Only what was not
there before counts.
"""
import json
import os
import pathlib
import shutil
import subprocess
import time

ALLOWED_S = 1.0  # how long what is on its way out may take


def processes(build):
    """pid -> program, of those below `build`."""
    found = {}
    for exe in pathlib.Path("/proc").glob("[0-9]*/exe"):
        try:
            program = os.readlink(exe)
        except OSError:
            continue  # a kernel thread, or gone
        if program.startswith(str(build) + "/"):
            found[int(exe.parent.name)] = program
    return found


def cgroups():
    """The cgroup directories with fbx in their name, wherever a hierarchy is mounted."""
    found = set()
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        found |= {os.path.join(folder, name) for name in names if "fbx" in name}
    return found


def bpf_programs():
    tool = shutil.which("bpftool", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if os.geteuid() != 0 or tool is None:
        return set()
    listing = subprocess.run([tool, "-j", "prog", "show"], capture_output=True, text=True)
    if listing.returncode != 0:
        return set()
    return {f"BPF program {p['id']} {p.get('name', '')}" for p in json.loads(listing.stdout)}


def present(build):
    mounts = {f"mount {line.split()[4]}"
              for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()}
    running = {f"process {pid} {program}" for pid, program in processes(build).items()}
    return running | mounts | {f"cgroup {c}" for c in cgroups()} | bpf_programs()


def left_behind(build, before, but_not=lambda what: False):
    """What is there now, was not in `before`, and does not go within ALLOWED_S."""
    deadline = time.monotonic() + ALLOWED_S
    while True:
        left = {what for what in present(build) - before if not but_not(what)}
        if not left or time.monotonic() > deadline:
            return sorted(left)
