#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a run of fbx costs: milliseconds per test, and nanoseconds per write call.

    scripts/bench run [ROUNDS]

Per test: `fbx run` of the partition chapter's two services, one order a test, with 1 and with 21
tests; the slope between the two is what a test costs, the rest what a run costs. Beside it, in
the same rounds, tests/bench/floor/floor.c: the same services and probes without fbx.
Per write: a program that times its own writes to a tmpfs, native, attached but not ours (while an
fbx run watches somebody else), ours but not asked for, recorded, and denied by seccomp.
Medians of the rounds, with the lowest and the highest round.
"""
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[0]).absolute().parents[1]  # of the link in build/bin
SERVICES = BUILD / "examples/partition/dynamic"
TESTS = 21
BATCHES, CALLS = 20, 2000

SHOP = '''
inventory = service("inventory", "{bin}/inventory-svc", interface("main", "tcp", 5432),
    env={{"PORT": "5432", "WAL_PATH": "/tmp/inventory.wal"}}, healthcheck=tcp("localhost:5432"))
orders = service("orders", "{bin}/order-svc", interface("public", "http", 8080),
    env={{"PORT": "8080", "INVENTORY_ADDR": "127.0.0.1:5432"}}, depends_on=[inventory],
    healthcheck=http("localhost:8080/health"))
def order():
    assert_eq(orders.post(path="/orders", body='{{"sku":"widget","qty":1}}').status, 200)
'''

TIMER = '''
timer = service("timer", "{timer}", interface("main", "tcp", 7000),
    env={{"PORT": "7000", "OUT": "/tmp/timed"}}, healthcheck=tcp("localhost:7000"))
def batches(what):
    print(what + " " + " ".join([timer.send("write {calls}") for _ in range({batches})]))
def test_unasked():
    batches("unasked")
def test_recorded():
    batches("recorded")
    assert_eventually(service=timer, syscall="write", path="/tmp/timed")
def test_denied():
    fault(timer, write=deny("EIO", path="/tmp/timed"), run=lambda: batches("denied"))
'''

BYSTANDER = '''
idle = service("idle", "{timer}", interface("main", "tcp", 7000),
    env={{"PORT": "7000", "OUT": "/tmp/timed"}}, healthcheck=tcp("localhost:7000"))
def test_bystander():
    print("attached")
    assert_never(service=idle, syscall="write", path="/tmp/other")
    sleep("30s")
'''


def fbx(spec, env=None):
    """Seconds, and what it said; it must pass."""
    begin = time.monotonic()
    done = subprocess.run([BUILD / "bin/fbx", "run", spec], capture_output=True, text=True)
    took = time.monotonic() - begin
    if done.returncode != 0:
        sys.exit(f"fbx run {spec} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return took, done.stdout


def write_specs(folder):
    shop = SHOP.format(bin=SERVICES)
    for count in (1, TESTS):
        tests = [f"def test_order_{n}():\n    order()\n" for n in range(count)]
        (folder / f"shop_{count}.star").write_text(shop + "".join(tests))
    places = {"timer": BUILD / "bench/call_timer", "calls": CALLS, "batches": BATCHES}
    (folder / "timer.star").write_text(TIMER.format(**places))
    (folder / "bystander.star").write_text(BYSTANDER.format(**places))


def numbers(text):
    return [float(word) for word in text.split()]


def native_writes():
    done = subprocess.run([BUILD / "bench/call_timer", "write", str(BATCHES), str(CALLS),
                           f"/dev/shm/fbx-bench-{os.getpid()}"],
                          capture_output=True, text=True, check=True)
    return statistics.median(numbers(done.stdout))


def is_attached():
    """The bystander's service lives: the programs are attached and watch it."""
    wanted = str(BUILD / "bench/call_timer")
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cmdline").read_bytes().split(b"\0")[0].decode() == wanted:
                    return True
            except OSError:
                pass
    return False


def writes_beside(folder):
    """Native writes while an fbx run watches another program."""
    run = subprocess.Popen([BUILD / "bin/fbx", "run", folder / "bystander.star"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not is_attached():
            if time.monotonic() > deadline or run.poll() is not None:
                sys.exit("the run that should watch somebody else did not start")
            time.sleep(0.01)
        time.sleep(0.05)
        return native_writes()
    finally:
        run.send_signal(2)
        run.wait(timeout=20)


def one_round(folder):
    found = {}
    floor = subprocess.run([BUILD / "bench/floor", SERVICES, str(TESTS)], capture_output=True,
                           text=True, check=True)
    found["floor"] = statistics.mean(numbers(floor.stdout))
    one = fbx(folder / "shop_1.star")[0] * 1e3
    many = fbx(folder / f"shop_{TESTS}.star")[0] * 1e3
    found["test"] = (many - one) / (TESTS - 1)
    found["above"] = found["test"] - found["floor"]
    found["run"] = one - found["test"]
    found["native"] = native_writes()
    found["attached"] = writes_beside(folder)
    said = fbx(folder / "timer.star")[1]
    for what in ("unasked", "recorded", "denied"):
        line = re.search(rf"\| {what} (.*)", said)
        found[what] = statistics.median(numbers(line[1]))
    return found


def show(rounds, key, what, unit):
    values = [found[key] for found in rounds]
    print(f"  {what:44} {statistics.median(values):8.1f} {unit}   "
          f"{min(values):.1f} … {max(values):.1f}")


def main():
    if os.geteuid() != 0:
        sys.exit("bench_run needs root, as fbx run does")
    rounds_wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    with tempfile.TemporaryDirectory(prefix="fbx-bench-") as name:
        folder = pathlib.Path(name)
        write_specs(folder)
        rounds = [one_round(folder) for _ in range(rounds_wanted)]
    print(f"{rounds_wanted} rounds: median, lowest … highest")
    show(rounds, "floor", "a test without fbx (floor)", "ms")
    show(rounds, "test", f"a test of fbx run (slope of 1 and {TESTS} tests)", "ms")
    show(rounds, "above", "the difference", "ms")
    show(rounds, "run", "a run, whatever its tests", "ms")
    show(rounds, "native", "write, native", "ns")
    show(rounds, "attached", "write, attached but not ours", "ns")
    show(rounds, "unasked", "write, ours and not asked for", "ns")
    show(rounds, "recorded", "write, recorded", "ns")
    show(rounds, "denied", "write, denied by seccomp", "ns")


if __name__ == "__main__":
    main()
