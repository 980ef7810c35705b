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
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            program = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            continue  # a kernel thread, or gone
        if program.startswith(str(build) + "/"):
            found[int(pid)] = program
    return found


def is_strangers(pid, build):
    """Whether a live process, of another build or none of ours at all, has this number."""
    try:
        return not os.readlink(f"/proc/{pid}/exe").startswith(str(build) + "/")
    except OSError:
        return False


def cgroups(build):
    """The cgroup directories with fbx in their name, wherever a hierarchy is mounted, but for
    those of a run of another build that is going on beside this one."""
    found = set()
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        for name in [name for name in names if "fbx" in name]:
            # fbx.PID.… is a run's, fbx-…-test-PID a kernel test's.
            owner = name.split(".")[1] if name.count(".") == 2 else name.rpartition("-")[2]
            if owner.isdigit() and is_strangers(owner, build):
                names.remove(name)
            else:
                found.add(os.path.join(folder, name))
    return found


def held_by_strangers(build):
    """Numbers of the BPF programs that a live process of somebody else has open."""
    held = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if is_strangers(pid, build):
                held |= programs_of(pid)
        except OSError:  # it ended meanwhile
            continue
    return held


def programs_of(pid):
    held = set()
    for info in os.scandir(f"/proc/{pid}/fdinfo"):
        try:
            words = pathlib.Path(info.path).read_text().split()
        except OSError:  # closed meanwhile
            continue
        if "prog_id:" in words:
            held.add(int(words[words.index("prog_id:") + 1]))
    return held


def bpf_programs(build):
    """Loaded programs, but for those that somebody else has open."""
    tool = shutil.which("bpftool", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if os.geteuid() != 0 or tool is None:
        return set()
    listing = subprocess.run([tool, "-j", "prog", "show"], capture_output=True, text=True)
    if listing.returncode != 0:
        return set()
    programs = {p["id"]: p.get("name", "") for p in json.loads(listing.stdout)}
    theirs = held_by_strangers(build) if programs else set()
    return {f"BPF program {n} {name}" for n, name in programs.items() if n not in theirs}


def present(build):
    mounts = {f"mount {line.split()[4]}"
              for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()}
    running = {f"process {pid} {program}" for pid, program in processes(build).items()}
    return running | mounts | {f"cgroup {c}" for c in cgroups(build)} | bpf_programs(build)


def left_behind(build, before, but_not=lambda what: False):
    """What is there now, was not in `before`, and does not go within ALLOWED_S."""
    deadline = time.monotonic() + ALLOWED_S
    while True:
        left = {what for what in present(build) - before if not but_not(what)}
        if not left or time.monotonic() > deadline:
            return sorted(left)
