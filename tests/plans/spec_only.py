#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds and tests what fbx is where there is no Linux below it.

    tests/plans/spec_only.py build --tier ci|full

The nearest thing to a Mac that a Linux machine has: FBX_SPEC_ONLY with clang-19 and libc++-19, here
with AddressSanitizer and UBSan, in BUILD/spec-only. Its tests pass, damaged plans do nothing that
the sanitizers know (3,000 in tier ci, 100,000 in full), it refuses to run, and it compiles every
spec to the bytes that the build in BUILD does.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DAMAGED = {"ci": 3_000, "full": 100_000}
ASAN = "detect_leaks=1:hard_rss_limit_mb=2048:allocator_may_return_null=0"


def run(*command, **options):
    print("+", *command, flush=True)
    return subprocess.run(command, check=True, **options)


def build(folder):
    compiler = shutil.which("clang++-19")
    if compiler is None:
        sys.exit("clang++-19 is not there: scripts/setup --packages installs it")
    run("cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "-DFBX_SPEC_ONLY=ON",
        "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1", "-DCMAKE_C_FLAGS_DEBUG=-O1 -g1",
        f"-DCMAKE_C_COMPILER={shutil.which('clang-19')}", f"-DCMAKE_CXX_COMPILER={compiler}",
        "-DCMAKE_CXX_FLAGS=-stdlib=libc++", "-DFBX_SANITIZE=address,undefined", "-DFBX_UNITY=ON",
        stdout=subprocess.DEVNULL)
    run("cmake", "--build", folder)


def check_linked(fbx):
    """No C++ of the other library, and nothing that only a run needs."""
    linked = run("ldd", fbx, capture_output=True, text=True).stdout
    wrong = re.findall(r"\b(libstdc\+\+|libbpf|libelf|libcurl|libre2|libspdlog|libmnl|liburing)\S*", linked)
    if wrong or "libc++.so" not in linked:
        sys.exit(f"{fbx} is linked with {wrong or 'another C++ library'}:\n{linked}")


def check_commands(fbx):
    spec = ROOT / "tests/plans/order.star"
    shown = run(fbx, "plan", spec, capture_output=True, text=True).stdout
    if "decided where it runs" not in shown or "deny db.write" not in shown:
        sys.exit(f"fbx plan shows\n{shown}")
    refused = subprocess.run([fbx, "run", spec], capture_output=True, text=True)
    if refused.returncode != 1 or "needs Linux" not in refused.stderr:
        sys.exit(f"fbx run ended with {refused.returncode}: {refused.stderr}")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("build", type=pathlib.Path)
    arguments.add_argument("--tier", choices=list(DAMAGED), default="ci")
    given = arguments.parse_args()
    main_build = given.build.resolve()
    folder = main_build / "spec-only"
    os.environ["ASAN_OPTIONS"] = ASAN
    os.environ["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
    build(folder)
    fbx = folder / "bin/fbx"
    check_linked(fbx)
    check_commands(fbx)
    run("ctest", "--test-dir", folder, "--output-on-failure", "-L", "^default$")
    run(folder / "bin/plan_mutation_test", str(DAMAGED[given.tier]), cwd=ROOT)
    run(sys.executable, ROOT / "tests/plans/compile_test.py", main_build / "bin/fbx",
        "--other", fbx)


if __name__ == "__main__":
    main()
