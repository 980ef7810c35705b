#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one tier of the tests of build/ (scripts/test explains the tiers) and adds up the counts."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
TIERS = ("default", "ci", "full")


class Counts:
    def __init__(self):
        self.ran = self.passed = self.failed = self.refused = 0
        self.could_not = {}  # name -> why


def ctest(counts, tier, extra, prefix=()):
    """Runs the ctest tests of `tier` and those before it; `extra` narrows them down."""
    labels = "|".join(TIERS[:TIERS.index(tier) + 1])
    with tempfile.TemporaryDirectory(prefix="fbx-test-") as folder:
        report = pathlib.Path(folder) / "ctest.xml"
        subprocess.run([*prefix, "ctest", "--test-dir", BUILD, "-j2", "--output-on-failure",
                        "-L", f"^({labels})$", *extra, "--output-junit", report], check=False)
        if not report.exists():
            sys.exit("ctest wrote no report: nothing is known about its tests")
        for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
            status = case.get("status")
            if status == "disabled":
                counts.could_not[case.get("name")] = "disabled"
                continue
            counts.ran += 1
            if status == "run":
                counts.passed += 1
            else:
                counts.failed += 1


def root_tests(tier):
    listing = subprocess.run(["ctest", "--test-dir", BUILD, "-L", "^root$", "-L",
                              f"^({'|'.join(TIERS[:TIERS.index(tier) + 1])})$",
                              "--show-only=json-v1"], capture_output=True, check=True)
    return [test["name"] for test in json.loads(listing.stdout)["tests"]]


def all_ctests(counts, tier):
    if os.geteuid() == 0:
        ctest(counts, tier, [])
        return
    ctest(counts, tier, ["-LE", "^root$"])
    names = root_tests(tier)
    if not names:
        return
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"]).returncode == 0:
        ctest(counts, tier, ["-L", "^root$"], prefix=["sudo", "-n"])
    else:
        counts.could_not.update({name: "not root, and no sudo" for name in names})


def specs(counts, tier):
    with tempfile.TemporaryDirectory(prefix="fbx-test-") as folder:
        summary = pathlib.Path(folder) / "summary.json"
        subprocess.run([sys.executable, ROOT / "tests/specs/run_specs.py", "--tier", tier,
                        "--summary", summary], check=False)
        if not summary.exists():
            counts.ran += 1
            counts.failed += 1
            return
        found = json.loads(summary.read_text())
    counts.ran += found["ran"]
    counts.passed += found["passed"]
    counts.failed += found["failed"]
    counts.refused += found["refused"]
    counts.could_not.update(found["could_not"])


def main():
    tier = sys.argv[1] if len(sys.argv) == 2 and sys.argv[1] in TIERS else sys.exit(
        "usage: run_tier.py default|ci|full")
    began = time.monotonic()
    counts = Counts()
    all_ctests(counts, tier)
    specs(counts, tier)
    why = ", ".join(sorted(set(counts.could_not.values())))
    print(f"tier {tier}: {time.monotonic() - began:.0f} s", flush=True)
    print(f"ran {counts.ran}, refused as expected {counts.refused}, "
          f"could not run {len(counts.could_not)}" + (f" ({why})" if why else ""))
    print(f"{counts.passed} passed, {counts.failed} failed")
    return 1 if counts.failed or counts.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
