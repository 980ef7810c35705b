#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `fbx compile` writes depends on the spec alone, and changes as little as the spec does.

    tests/plans/compile_test.py build/bin/fbx [--other FBX]   another build that must write the same
"""
import argparse
import difflib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What specs of the tree ask for.
GIVEN = {"PATH": os.environ["PATH"], "BIN": "/bin", "VICTIMS": "/victims", "HOST_PORT": "1"}
ENVIRONMENTS = [
    {"LC_ALL": "C", "TZ": "UTC"},
    {"LC_ALL": "de_DE.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati"},
    {"LC_ALL": "POSIX", "TZ": "America/St_Johns", "HOME": "/nonexistent", "COLUMNS": "20"},
]

# name, text in order.star, what stands there instead
EDITS = [
    ("a test at the beginning", "MODE = env(", "def test_first():\n"
     "    resp = web.get(\"/first\")\n    assert_eq(resp.status, 200)\n\nMODE = env("),
    ("a test in the middle", "def test_disk():", "def test_second():\n"
     "    resp = web.get(\"/second\")\n    assert_eq(resp.status, 200)\n\ndef test_disk():"),
    ("an errno", '"ENOSPC"', '"EIO"'),
    ("an errno of an assumption", '"ECONNREFUSED"', '"ETIMEDOUT"'),
    ("a helper", 'return {"sku": sku, "n": n}', 'return {"sku": sku, "n": n + 1}'),
    ("a comment", "MODE = env(", "# how it is started\nMODE = env("),
    ("a parameter's default", 'sku="w"', 'sku="x"'),
    ("a service's argument", 'args=["-v"]', 'args=["-v", "-v"]'),
    ("a docstring", "Places an order.", "Places one order."),
]


def compiled(fbx, spec, env=None, cwd=ROOT):
    done = subprocess.run([fbx, "compile", spec], cwd=cwd, capture_output=True,
                          env={**GIVEN, **(env or {})})
    if done.returncode != 0:
        sys.exit(f"fbx compile {spec}: {done.stderr.decode()}")
    return done.stdout


def specs():
    """All specs of the tree that compile."""
    for path in sorted([*ROOT.glob("tests/**/*.star"), *ROOT.glob("examples/**/*.star")]):
        text = path.read_text()
        if "/bad/" in str(path) or "/language/" in str(path) or "/lib/" in str(path):
            continue
        if "def test_" in text or "scenario(" in text or "fault_matrix(" in text:
            yield path


def compiles(fbx, path):
    return subprocess.run([fbx, "compile", path], capture_output=True, env=GIVEN).returncode == 0


def check_deterministic(fbx, others):
    wrong, seen = 0, 0
    for path in specs():
        if not compiles(fbx, path):
            continue
        seen += 1
        first = compiled(fbx, path)
        again = [(str(env), compiled(fbx, path, env)) for env in ENVIRONMENTS]
        again += [("from its folder", compiled(fbx, path.name, cwd=path.parent))]
        again += [(str(other), compiled(other, path)) for other in others]
        for how, text in again:
            if text != first:
                wrong += 1
                print(f"{path.relative_to(ROOT)} is compiled differently: {how}")
    print(f"{seen} specs compiled in {len(ENVIRONMENTS) + 1 + len(others)} ways, {wrong} differ")
    return wrong == 0 and seen >= 10


def tables(plan):
    """Each table of the plan, as its lines."""
    return re.split(r"^(?=\[)", plan, flags=re.M)


def changed(before, after):
    """Lines removed and added; of tables that are wholly new, which is what was asked for, none."""
    diff = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    touched = sum(1 for line in diff if re.match(r"[-+](?![-+]{2} )", line))

    def named(plan):
        found = [re.match(r"\[\[(\w+)\]\]\nname = (.*)\n", table) for table in tables(plan)]
        return {(m[1], m[2]): table for m, table in zip(found, tables(plan)) if m}

    old, new = named(before), named(after)
    return touched - sum(table.count("\n") for key, table in new.items() if key not in old)


def check_diffs(fbx):
    source, wrong = (ROOT / "tests/plans/order.star").read_text(), 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        shutil.copytree(ROOT / "tests/plans/lib", folder / "lib")
        spec = folder / "order.star"
        spec.write_text(source)
        before = compiled(fbx, spec).decode()
        for name, old, new in EDITS:
            if source.count(old) != 1:
                sys.exit(f"{name}: {old!r} stands {source.count(old)} times in order.star")
            spec.write_text(source.replace(old, new))
            after = compiled(fbx, spec).decode()
            in_spec, in_plan = changed(source, source.replace(old, new)), changed(before, after)
            good = in_plan <= 2 * in_spec + 5
            wrong += not good
            print(f"{'ok  ' if good else 'MORE'} {name}: {in_spec} lines of the spec, {in_plan} of the plan")
    return wrong == 0


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("fbx", type=pathlib.Path)
    arguments.add_argument("--other", type=pathlib.Path, action="append", default=[])
    given = arguments.parse_args()
    fbx, others = given.fbx.resolve(), [other.resolve() for other in given.other]
    same = check_deterministic(fbx, others)
    return 0 if check_diffs(fbx) and same else 1


if __name__ == "__main__":
    sys.exit(main())
