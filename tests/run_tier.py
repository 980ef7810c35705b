#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one tier of the tests (scripts/test explains the tiers) and adds up the counts.

    tests/run_tier.py default|ci|full [--build build-asan]

A build with sanitizers writes its reports to files, because what they are about may happen in a
process whose output nobody sees (a keeper, a guard); a report is a failure, whatever its test said.
"""
import argparse
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
TIERS = ("default", "ci", "full")


class Counts:
    def __init__(self, build):
        self.build = build
        self.ran = self.passed = self.failed = self.refused = 0
        self.could_not = {}  # name -> why


def ctest(counts, tier, extra, prefix=()):
    """Runs the ctest tests of `tier` and those before it; `extra` narrows them down."""
    labels = "|".join(TIERS[:TIERS.index(tier) + 1])
    with tempfile.TemporaryDirectory(prefix="fbx-test-") as folder:
        report = pathlib.Path(folder) / "ctest.xml"
        subprocess.run([*prefix, "ctest", "--test-dir", counts.build, "-j2", "--output-on-failure",
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


def names_of(build, tier, label):
    """The ctest tests of `tier` and those before it that carry `label`."""
    listing = subprocess.run(["ctest", "--test-dir", build, "-L", f"^{label}$", "-L",
                              f"^({'|'.join(TIERS[:TIERS.index(tier) + 1])})$",
                              "--show-only=json-v1"], capture_output=True, check=True)
    return [test["name"] for test in json.loads(listing.stdout)["tests"]]


def why_no_lab():
    """Why scripts/lab can't be used here; "" when it can."""
    asked = subprocess.run([ROOT / "scripts/lab", "--available"], capture_output=True, text=True)
    return asked.stderr.strip() if asked.returncode != 0 else ""


def all_ctests(counts, tier):
    without = []
    lab = names_of(counts.build, tier, "lab")
    if lab and (why := why_no_lab()):
        counts.could_not.update({name: why for name in lab})
        without.append("lab")
    if os.geteuid() == 0:
        ctest(counts, tier, ["-LE", f"^({'|'.join(without)})$"] if without else [])
        return
    ctest(counts, tier, ["-LE", f"^({'|'.join([*without, 'root'])})$"])
    names = names_of(counts.build, tier, "root")
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
                        "--build", counts.build, "--summary", summary], check=False)
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


def sanitizer_of(build):
    """What FBX_SANITIZE was when `build` was configured; "" for none."""
    for line in (build / "CMakeCache.txt").read_text().splitlines():
        if line.startswith("FBX_SANITIZE:"):
            return line.partition("=")[2]
    return ""


class Reports:
    """Where the sanitizers of this build write, and what they wrote."""

    def __init__(self, build):
        self.folder = build / "sanitizer-reports"
        self.on = sanitizer_of(build) != ""
        if not self.on:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.folder.chmod(0o777)
        where = f"log_path={self.folder}/report:exitcode=86"
        os.environ["ASAN_OPTIONS"] = f"{where}:detect_stack_use_after_return=1"
        os.environ["UBSAN_OPTIONS"] = f"{where}:print_stacktrace=1"
        os.environ["TSAN_OPTIONS"] = where

    def count(self, counts):
        """Each report is a failure; the first lines of each are shown."""
        if not self.on:
            return
        for report in sorted(self.folder.iterdir()):
            counts.failed += 1
            shown = report.read_text(errors="replace").splitlines()[:12]
            print(f"sanitizer report: {report}", *shown, sep="\n        ")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tier", choices=TIERS)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    options = parser.parse_args()
    tier, build = options.tier, options.build.resolve()
    began = time.monotonic()
    counts, reports = Counts(build), Reports(build)
    all_ctests(counts, tier)
    specs(counts, tier)
    reports.count(counts)
    why = ", ".join(sorted(set(counts.could_not.values())))
    print(f"tier {tier}: {time.monotonic() - began:.0f} s", flush=True)
    print(f"ran {counts.ran}, refused as expected {counts.refused}, "
          f"could not run {len(counts.could_not)}" + (f" ({why})" if why else ""))
    print(f"{counts.passed} passed, {counts.failed} failed")
    return 1 if counts.failed or counts.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
