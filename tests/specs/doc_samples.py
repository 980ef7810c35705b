#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every ```python block of README.md and docs/ is a spec that `fbx check` accepts.

A block that is only a part of a spec says ```python fragment and is left alone.
    tests/specs/doc_samples.py build/bin/fbx
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def samples():
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for match in re.finditer(r"^```python\n(.*?)^```$", document.read_text(), re.M | re.S):
            line = document.read_text()[:match.start()].count("\n") + 1
            yield f"{document.relative_to(ROOT)}:{line}", match[1]


def main():
    fbx, wrong, seen = pathlib.Path(sys.argv[1]).resolve(), 0, 0
    for place, text in samples():
        seen += 1
        with tempfile.TemporaryDirectory() as folder:
            spec = pathlib.Path(folder) / "sample.star"
            spec.write_text(text)
            check = subprocess.run([fbx, "check", spec], capture_output=True, text=True)
        if check.returncode != 0:
            wrong += 1
            print(f"{place}: fbx check ended with {check.returncode}\n{check.stdout}{check.stderr}")
    print(f"{seen} samples, {wrong} wrong")
    return 1 if wrong or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
