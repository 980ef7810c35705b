#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seed corpus of a fuzzer:  seeds.py source|core OUT [--run PATH_TO_starlark_run]

source: the chunks of tests/language. core: what they compile to, as fuzz_core reads it."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    what, out = sys.argv[1], pathlib.Path(sys.argv[2])
    run = sys.argv[4] if len(sys.argv) > 4 else ROOT / "build/bin/starlark_run"
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted((ROOT / "tests/language").glob("*.star")):
        for number, chunk in enumerate(path.read_text(encoding="utf-8").split("\n---\n")):
            seed = out / f"{path.stem}_{number}"
            seed.write_text(chunk + "\n", encoding="utf-8")
            if what == "core":
                code = subprocess.run([run, "--core", seed], capture_output=True, check=False)
                if code.returncode == 0:
                    seed.write_bytes(code.stdout)
                else:
                    seed.unlink()


main()
