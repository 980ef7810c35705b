#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The partition example's services do what examples/partition says, without fbx.

A spec that passes says something only when its subjects are right. Run by ctest; by hand:
    tests/subjects/subjects_test.py build/examples/partition
"""
import http.client
import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

BINARIES = pathlib.Path()  # set by main: the folder that holds dynamic/ and static/
LINKAGES = ("dynamic", "static")
WAL_MODES = ("raw", "stdio", "odsync")
BOUND_S = 10.0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Service:
    """A running service; ready when it has said on which port it listens."""

    def __init__(self, linkage, name, **env):
        self.port = free_port()
        self.process = subprocess.Popen(
            [BINARIES / linkage / name], stdout=subprocess.PIPE, text=True,
            env={"PORT": str(self.port), **env})
        line = self.process.stdout.readline()
        assert "listens" in line, line

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(BOUND_S)
        self.process.stdout.close()
        return code


def lines(port, *requests):
    """The answers to `requests`, sent one by one on one connection."""
    with socket.create_connection(("127.0.0.1", port), BOUND_S) as s, s.makefile("rw") as f:
        answers = []
        for request in requests:
            f.write(request + "\n")
            f.flush()
            answers.append(f.readline().rstrip("\n"))
        return answers


def http_call(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=BOUND_S)
    connection.request(method, path, body)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if text.startswith("{") else text


def order(port, sku="widget", qty=1):
    return http_call(port, "POST", "/orders", json.dumps({"sku": sku, "qty": qty}))


class InventoryTest(unittest.TestCase):
    def each(self):
        for linkage, mode in itertools.product(LINKAGES, WAL_MODES):
            with self.subTest(linkage=linkage, mode=mode), tempfile.TemporaryDirectory() as folder:
                wal = pathlib.Path(folder) / "wal"
                service = Service(linkage, "inventory-svc", WAL_PATH=str(wal), WAL_MODE=mode)
                try:
                    yield service, wal
                finally:
                    self.assertEqual(service.end(), 0)

    def test_answers_each_request_with_one_line(self):
        for service, wal in self.each():
            self.assertEqual(
                lines(service.port, "PING", "CHECK widget", "CHECK gadget", "CHECK gizmo",
                      "CHECK nothing", "RESERVE widget 3", "CHECK widget", "RESERVE gizmo 26",
                      "RESERVE nothing 1", "RESERVE widget -1", "RESERVE widget", "HELLO", ""),
                ["PONG", "100", "50", "25", "NOT_FOUND", "OK 97", "97", "ERR insufficient stock",
                 "ERR unknown sku", "ERR bad quantity", "ERR bad request", "ERR bad request",
                 "ERR bad request"])
            self.assertEqual(wal.read_text(), "RESERVE widget 3\n")

    def test_serves_connections_side_by_side(self):
        for service, _ in self.each():
            with socket.create_connection(("127.0.0.1", service.port), BOUND_S):  # says nothing
                self.assertEqual(lines(service.port, "PING"), ["PONG"])

    def test_refuses_what_it_cannot_log(self):
        for service, wal in self.each():
            wal.mkdir()
            answer, left = lines(service.port, "RESERVE widget 1", "CHECK widget")
            self.assertRegex(answer, "^ERR wal f?open: Is a directory$")
            self.assertEqual(left, "100")

    def test_refuses_what_the_disk_refuses(self):
        for linkage, mode in itertools.product(LINKAGES, WAL_MODES):
            with self.subTest(linkage=linkage, mode=mode):
                service = Service(linkage, "inventory-svc", WAL_PATH="/dev/full", WAL_MODE=mode)
                try:
                    answer, left = lines(service.port, "RESERVE widget 1", "CHECK widget")
                    self.assertRegex(answer, "^ERR wal (write|fflush): No space left on device$")
                    self.assertEqual(left, "100")
                finally:
                    self.assertEqual(service.end(), 0)


class OrderTest(unittest.TestCase):
    def each(self, **env):
        for linkage in LINKAGES:
            with self.subTest(linkage=linkage), tempfile.TemporaryDirectory() as folder:
                inventory = Service(linkage, "inventory-svc", WAL_PATH=folder + "/wal")
                orders = Service(linkage, "order-svc",
                                 INVENTORY_ADDR=f"127.0.0.1:{inventory.port}", **env)
                try:
                    yield linkage, inventory, orders
                finally:
                    self.assertEqual(orders.end(), 0)
                    if inventory.process.poll() is None:
                        inventory.end()

    def test_answers_as_documented(self):
        for _, _, orders in self.each():
            p = orders.port
            self.assertEqual(http_call(p, "GET", "/health"), (200, {"status": "healthy"}))
            self.assertEqual(http_call(p, "GET", "/inventory/widget"),
                             (200, {"sku": "widget", "quantity": 100}))
            self.assertEqual(http_call(p, "GET", "/inventory/nothing")[0], 404)
            self.assertEqual(order(p), (200, {"status": "confirmed", "sku": "widget", "qty": 1,
                                              "left": 99}))
            self.assertEqual(order(p, qty=1000)[0], 409)
            self.assertEqual(order(p, "nothing")[0], 409)
            for body in ("", "...", "[]", "{}", '{"sku":"widget"}', '{"sku":"a b","qty":1}',
                         '{"sku":"widget\\nPING","qty":1}', '{"sku":"widget","qty":0}',
                         '{"sku":"widget","qty":"1"}', '{"sku":"widget","qty":1.5}',
                         '{"sku":"widget","qty":99999999999999999999}'):
                self.assertEqual(http_call(p, "POST", "/orders", body)[0], 400, body)
            self.assertEqual(http_call(p, "GET", "/orders")[0], 405)
            self.assertEqual(http_call(p, "GET", "/nowhere")[0], 404)

    def test_says_why_it_cannot_reach_inventory(self):
        for _, inventory, orders in self.each():
            inventory.end(signal.SIGKILL)
            status, answer = order(orders.port)
            self.assertEqual((status, answer["error"]),
                             (503, "inventory unreachable: Connection refused"))

    def test_gives_up_on_a_silent_inventory_and_stays_healthy_meanwhile(self):
        for _, inventory, orders in self.each():
            inventory.process.send_signal(signal.SIGSTOP)
            stuck = []
            began = time.monotonic()
            client = threading.Thread(target=lambda: stuck.append(order(orders.port)))
            client.start()
            self.assertEqual(http_call(orders.port, "GET", "/health")[0], 200)
            self.assertLess(time.monotonic() - began, 0.9)
            client.join(BOUND_S)
            self.assertEqual(stuck, [(503, {"error": "inventory is silent"})])
            self.assertGreater(time.monotonic() - began, 0.99)
            inventory.process.send_signal(signal.SIGCONT)

    def test_ends_after_the_order_under_way(self):
        for _, inventory, orders in self.each():
            inventory.process.send_signal(signal.SIGSTOP)
            stuck = []
            client = threading.Thread(target=lambda: stuck.append(order(orders.port)))
            client.start()
            self.wait_for_established(orders.process.pid, inventory.port)
            self.assertEqual(orders.end(), 0)
            client.join(BOUND_S)
            self.assertEqual([status for status, _ in stuck], [503])
            inventory.process.send_signal(signal.SIGCONT)
            orders.__init__("dynamic", "order-svc")  # for each() to end

    def wait_for_established(self, pid, port):
        deadline = time.monotonic() + BOUND_S
        wanted = f":{port:04X} 01"
        while time.monotonic() < deadline:
            if wanted in pathlib.Path(f"/proc/{pid}/net/tcp").read_text():
                return
        self.fail("no connection to inventory")

    def test_pool_keeps_its_connection_and_redials_after_a_failure(self):
        """The listener here counts dials and drops each connection after two answers."""
        for linkage in LINKAGES:
            with self.subTest(linkage=linkage), socket.create_server(("127.0.0.1", 0)) as listener:
                dials = []
                server = threading.Thread(target=self.answer_two_then_reset,
                                          args=(listener, dials), daemon=True)
                server.start()
                port = listener.getsockname()[1]
                orders = Service(linkage, "order-svc", INVENTORY_ADDR=f"127.0.0.1:{port}", POOL="1")
                got = [order(orders.port) for _ in range(4)]
                self.assertEqual([status for status, _ in got], [200, 200, 503, 200])
                self.assertRegex(got[2][1]["error"], "reset by peer|hung up|Broken pipe")
                self.assertEqual(len(dials), 2)
                self.assertEqual(orders.end(), 0)

    @staticmethod
    def answer_two_then_reset(listener, dials):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            dials.append(connection)
            with connection, connection.makefile("rw") as f:
                for _ in range(2):
                    if not f.readline():
                        return
                    f.write("OK 1\n")
                    f.flush()
                f.readline()  # the third request: gone without an answer
                linger_off = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_off)


if __name__ == "__main__":
    if len(sys.argv) < 2 or not os.path.isdir(sys.argv[1]):
        sys.exit("usage: subjects_test.py FOLDER-WITH-dynamic-AND-static [unittest arguments]")
    BINARIES = pathlib.Path(sys.argv.pop(1))
    unittest.main()
