#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What one call costs under each hand that works natively, passed on and denied.

    scripts/bench inject [ROUNDS]

tests/bench/floor/call_timer.c times its own calls: one-byte writes to a tmpfs, and connects to a
port of the loopback where nobody listens. It does so natively, under strace, and as a service of
`fbx run --inject HAND`, where no rule is active, where the active one is about other calls, and
where it denies. Beside them a service that no rule is about, in a test that breaks another service
and in one that breaks nothing: what a service without faults pays is the difference.
The hands in the kernel where it lets them: scripts/lab build/bin/bench_inject ROUNDS. There a
nanosecond is a quarter of an instruction of the machine, whatever its host does.
Medians of interleaved rounds, with the lowest and the highest, and the ratio to native.
"""
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(sys.argv[0]).absolute().parents[1]  # of the link in build/bin
TIMER = BUILD / "bench/call_timer"
BATCHES, CALLS = 8, 500

SPEC = f'''
def timer_service(name, port):
    return service(name, "{TIMER}", interface("main", "tcp", port),
        env={{"PORT": port, "OUT": "/tmp/timed-" + name}}, healthcheck=tcp("localhost:%d" % port))

timer = timer_service("timer", 7000)
other = timer_service("other", 7001)

def batches(what, label):
    print(label + ": " + " ".join([timer.main.send(what + " {CALLS}") for _ in range({BATCHES})]))

'''

# What stands in front of each test's own rule, so that it has something to break.
WRITES = '''
def test_write():
    batches("write", "no rule active")
    fault(timer, run=lambda: batches("write", "a rule about another path"),
          write=deny("EIO", path="/elsewhere/**", optional=True))
    fault(timer, run=lambda: batches("write", "denied"), write=deny("EIO"))
'''

CONNECTS = '''
def test_connect():
    batches("connect", "no rule active")
    fault(timer, run=lambda: batches("connect", "a rule about another peer"),
          connect=deny("ECONNREFUSED", to="127.0.0.1:10", optional=True))
    fault(timer, run=lambda: batches("connect", "denied"), connect=deny("ECONNREFUSED"))
'''

WITHOUT_FAULTS = '''
def test_nothing_is_broken():
    batches("write", "in a test without faults")

def test_another_is_broken():
    fault(other, run=lambda: batches("write", "beside a service with faults"),
          write=deny("EIO", optional=True))
'''

# What it is called, the spec's tests, its calls, and the hand; "auto" for what needs none.
RUNS = [("write", WITHOUT_FAULTS, "auto"), ("write", WRITES, "shim"), ("write", WRITES, "seccomp"),
        ("connect", CONNECTS, "cgroup"), ("connect", CONNECTS, "shim"),
        ("connect", CONNECTS, "seccomp")]
if "FBX_LAB" in os.environ:
    RUNS += [("write", WRITES, hand) for hand in ("override", "fmod_ret", "lsm")]


def median_of(text):
    return statistics.median(float(word) for word in text.split())


def timed(before, what):
    """The program itself, behind the words `before`."""
    out = f"/dev/shm/fbx-bench-{os.getpid()}"
    done = subprocess.run([*before, TIMER, what, str(BATCHES), str(CALLS), out],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{before} {TIMER} ended with {done.returncode}: {done.stderr}")
    return median_of(done.stdout)


def run(spec, hand):
    """{label: ns} of one run; it must pass, and by that hand."""
    results = spec.with_suffix(".json")
    done = subprocess.run([BUILD / "bin/fbx", "run", spec, "--inject", hand, "--json", results],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"fbx run {spec} --inject {hand} ended with {done.returncode}:\n"
                 f"{done.stdout}{done.stderr}")
    if hand != "auto" and f'"{hand}' not in results.read_text():
        sys.exit(f"fbx run --inject {hand} used another hand:\n{results.read_text()}")
    return {label: median_of(numbers)
            for label, numbers in re.findall(r"\| ([^:|]+): ([\d. ]+)", done.stdout)}


def one_round(folder):
    """{(call, how): ns}"""
    found = {}
    for what, errno in (("write", "EIO"), ("connect", "ECONNREFUSED")):
        strace = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={what}"]
        found[what, "native"] = timed([], what)
        found[what, "strace, passed"] = timed(strace, what)
        found[what, "strace, denied"] = timed([*strace, "-e", f"inject={what}:error={errno}"], what)
    for number, (what, tests, hand) in enumerate(RUNS):
        spec = folder / f"run_{number}.star"
        spec.write_text(SPEC + tests)
        for label, ns in run(spec, hand).items():
            found[what, label if hand == "auto" else f"{hand}, {label}"] = ns
    return found


def main():
    if os.geteuid() != 0:
        sys.exit("bench_inject needs root: the cgroup hand does")
    rounds_wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    with tempfile.TemporaryDirectory(prefix="fbx-bench-") as name:
        rounds = [one_round(pathlib.Path(name)) for _ in range(rounds_wanted)]
    print(f"{rounds_wanted} rounds, {BATCHES} batches of {CALLS} calls each: "
          "median, lowest … highest, ratio to native of the same round")
    for what, how in sorted(rounds[0], key=lambda key: key[0], reverse=True):
        values = [found[what, how] for found in rounds]
        ratio = statistics.median(found[what, how] / found[what, "native"] for found in rounds)
        print(f"  {what + ', ' + how:44} {statistics.median(values):9.0f} ns   "
              f"{min(values):.0f} … {max(values):.0f}   × {ratio:.2f}")


if __name__ == "__main__":
    main()
