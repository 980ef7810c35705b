#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the tree promises about itself, read from its files.

    tests/tree/tree_test.py          all of it; a line for each thing that is wrong

Includes go one way: kIncludes is the whole list of who may include whom. A new edge is a decision:
add it here when it is meant. Below spec/ (and what spec/ includes) no system header is named that
is not standard C++ or one of the libraries that docs/ARCHITECTURE.md lists for it.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Folder → the folders whose headers it may include, beside its own. Reading order is data flow.
MAY_INCLUDE = {
    "base": "",
    "bpf/abi": "",
    "spec/starlark": "",
    "spec/plan": "base bpf/abi spec/starlark",
    "spec/model": "base bpf/abi spec/starlark spec/plan",
    "bpf": "bpf/abi",
    "shim": "bpf/abi",
    "shim/hand": "base bpf/abi",
    "runner/sandbox": "base",
    "runner/observe": "base bpf/abi bpf",
    "runner/inject": "base bpf/abi spec/plan spec/model runner/sandbox runner/observe shim/hand",
    "runner/step": "base spec/plan spec/model runner/sandbox",
    "runner/service": "base spec/plan runner/sandbox runner/observe runner/step",
    "runner/report": "base spec/plan spec/model",
    "runner/check": "base bpf/abi spec/plan spec/model runner/observe runner/inject runner/report",
    "runner/run": "base bpf/abi spec/plan spec/model runner/sandbox runner/observe runner/inject"
                  " runner/step runner/service runner/check runner/report",
    "runner/cli": "base spec/plan spec/model runner/inject runner/service runner/run",
    "examples/partition": "",
    "tests/victims": "",
}

# Folders that build on any system: standard headers, and these.
PORTABLE = {
    "base": "",
    "bpf/abi": "",
    "spec/starlark": "gmp.h utf8proc.h sys/mman.h locale.h xlocale.h",
    "spec/plan": "toml++/toml.h nettle/sha2.h",
    "spec/model": "yaml.h nlohmann/json.hpp",
}
# Their own mains read files and take the time: each is one program's seam, not a part of the folder.
PROGRAMS = {"spec/starlark/starlark_run.cc"}

C_STANDARD = {"assert.h", "stddef.h", "stdint.h", "string.h"}
SOURCE = re.compile(r"\.(cc|h|c|S|py)$")
MENTIONED_ELSEWHERE = "docs/coming-from-faultbox.md"


def tracked():
    # As root in somebody else's checkout, too.
    git = ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True,
                            check=True).stdout.split("\n")
    return [name for name in listed if name and (ROOT / name).is_file()]


def folder_of(path):
    """The row of MAY_INCLUDE that `path` belongs to: the longest that is a prefix."""
    parts = path.split("/")[:-1]
    for n in range(len(parts), 0, -1):
        if "/".join(parts[:n]) in MAY_INCLUDE:
            return "/".join(parts[:n])
    return "/".join(parts[:2]) if parts and parts[0] in ("spec", "runner") else None


def includes(text):
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if found:
            yield number, found[1] == '"', found[2]


def check_includes(name, text):
    own = folder_of(name)
    if own is None or not re.search(r"\.(cc|h|c|S)$", name):
        return
    if own not in MAY_INCLUDE:
        yield f"{name}:1: {own}/ is in no row of MAY_INCLUDE (tests/tree/tree_test.py)"
        return
    may = set(MAY_INCLUDE[own].split()) | {own}
    for number, ours, target in includes(text):
        if ours and "/" in target:
            other = folder_of(target)
            if other is not None and other not in may:
                yield f"{name}:{number}: {own} may not include {other} ({target})"
            if target.startswith("tests/"):
                yield f"{name}:{number}: only tests include tests ({target})"
        elif not ours and own in PORTABLE and name not in PROGRAMS:
            standard = re.fullmatch(r"[a-z_0-9]+", target) or target in C_STANDARD
            if not standard and target not in PORTABLE[own].split():
                yield f"{name}:{number}: {own} builds everywhere, and <{target}> is not everywhere"


def check_licence(name, text):
    if not SOURCE.search(name) and not name.startswith("scripts/"):
        return
    kernel = name.startswith("bpf/")
    wanted = "GPL-2.0-only OR BSD-2-Clause" if kernel else "Apache-2.0"
    head = "\n".join(text.splitlines()[:3])
    if f"SPDX-License-Identifier: {wanted}" not in head:
        yield f"{name}:1: no line `SPDX-License-Identifier: {wanted}` at the top"


def check_names(name, text):
    """The tree speaks of fbx alone; one page compares it with what a reader may come from."""
    if name in (MENTIONED_ELSEWHERE, "tests/tree/tree_test.py"):
        return
    for number, line in enumerate(text.splitlines(), 1):
        for found in re.finditer(r"(?i)\bfaultbox\b", line):
            if "coming-from-faultbox" not in line[max(0, found.start() - 12):found.end() + 3]:
                yield f"{name}:{number}: only {MENTIONED_ELSEWHERE} names that tool"


def check_code_map(names):
    """Each folder of code has a row in docs/ARCHITECTURE.md, and each row a folder."""
    text = (ROOT / "docs/ARCHITECTURE.md").read_text()
    rows = set()
    for line in text.splitlines():
        if line.startswith("| `"):
            rows.update(found.rstrip("/") for found in re.findall(r"`([a-z_./]+/)`",
                                                                  line.split("|")[1]))
    folders = set()
    for name in names:
        parts = name.split("/")[:-1]
        if not parts or parts[0].startswith(".") or parts[0] in ("docs", "LICENSES"):
            continue
        two = parts[0] in ("spec", "runner", "tests") and len(parts) > 1
        folders.add("/".join(parts[:2]) if two else parts[0])
        if "/".join(parts[:2]) in MAY_INCLUDE:
            folders.add("/".join(parts[:2]))
    folders -= {"tests", "spec", "runner", "examples/partition"}
    for missing in sorted(folders - rows):
        yield f"docs/ARCHITECTURE.md:1: {missing}/ has no row in the code map"
    for gone in sorted(row for row in rows - folders if not (ROOT / row).is_dir()):
        yield f"docs/ARCHITECTURE.md:1: the code map has a row for {gone}/, which is not there"


# What CMake looks for, and the Debian package that has it (find_package by CMake's own names).
PACKAGE_OF = {
    "nettle": "nettle-dev", "libutf8proc": "libutf8proc-dev", "gmp": "libgmp-dev",
    "nlohmann_json": "nlohmann-json3-dev", "re2": "libre2-dev", "libmnl": "libmnl-dev", "liburing": "liburing-dev",
    "CURL": "libcurl4-openssl-dev", "bpf": "libbpf-dev", "elf": "libelf-dev", "z": "zlib1g-dev",
    "PkgConfig": "pkg-config", "Python3": "python3", "Threads": "g++",
    "event_${part}": "libevent-dev", "libevent_${part}.a": "libevent-dev", "yaml-0.1": "libyaml-dev",
}


def check_packages(names):
    """Whatever the build looks for, scripts/setup installs."""
    installed = set((ROOT / "scripts/setup").read_text().split())
    for name in names:
        if not name.endswith(("CMakeLists.txt", ".cmake")):
            continue
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
            wanted = re.search(r"(?:pkg_check_modules\(\w+ REQUIRED (?:IMPORTED_TARGET )?"
                               r"|find_library\(\S+ (?:NAMES )?|find_package\()([^\s)]+)", line)
            if wanted and PACKAGE_OF.get(wanted[1]) not in installed:
                yield (f"{name}:{number}: no package of scripts/setup is known to have {wanted[1]} "
                       "(PACKAGE_OF in tests/tree/tree_test.py)")


def main():
    names = tracked()
    wrong, read = [], 0
    for name in names:
        try:
            text = (ROOT / name).read_text()
        except UnicodeDecodeError:
            continue
        read += 1
        for check in (check_includes, check_licence, check_names):
            wrong.extend(check(name, text))
    wrong.extend(check_code_map(names))
    wrong.extend(check_packages(names))
    for line in wrong:
        print(line)
    print(f"{read} files read, {len(wrong)} wrong")
    return 1 if wrong or read < 100 else 0


if __name__ == "__main__":
    sys.exit(main())
