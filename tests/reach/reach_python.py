#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The victim in Python."""
import errno
import os
import socket
import socketserver


def mark(call):
    try:
        call()
        return "."
    except OSError as error:
        return "E" if error.errno in (errno.EIO, errno.ECONNREFUSED) else "?"


def write_one():
    # Unbuffered, and closed without a second attempt.
    with open("/tmp/out", "ab", buffering=0) as out:
        out.write(b"x")


def sync_one():
    with open("/tmp/out", "ab", buffering=0) as out:
        os.fsync(out.fileno())


def open_one():
    with open("/tmp/new", "wb", buffering=0):
        pass
    os.unlink("/tmp/new")


def connect_one():
    socket.create_connection(("127.0.0.1", 7000)).close()


WORK = {"W": (write_one, 9), "S": (sync_one, 3), "O": (open_one, 3), "C": (connect_one, 3)}


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            call, times = WORK[line.decode()[0]]
            self.wfile.write("".join(mark(call) for _ in range(times)).encode() + b"\n")


socketserver.TCPServer.allow_reuse_address = True
socketserver.TCPServer(("127.0.0.1", int(os.environ.get("PORT", "7000"))), Handler).serve_forever()
