#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server that is one event loop, with sockets that don't block. Lines on PORT:

DIAL   begins to dial PEER and answers "dialling" at once
STATE  answers "idle", "dialling", "connected" or the name of the errno
ASK    dials PEER, sends PING, answers what comes back
PING   answers "PONG"
"""
import asyncio
import errno
import os

state = "idle"
tasks = set()


def peer():
    host, port = os.environ["PEER"].rsplit(":", 1)
    return host.strip("[]"), int(port)


async def dial():
    global state
    try:
        _, writer = await asyncio.open_connection(*peer())
        state = "connected"
        writer.close()
    except OSError as error:
        state = errno.errorcode.get(error.errno, str(error))


async def ask():
    reader, writer = await asyncio.open_connection(*peer())
    writer.write(b"PING\n")
    answer = (await reader.readline()).decode().strip()
    writer.close()
    return answer


async def answer(line):
    global state
    if line == "DIAL":
        state = "dialling"
        tasks.add(asyncio.ensure_future(dial()))
    if line == "ASK":
        return await ask()
    return "PONG" if line == "PING" else state


async def serve(reader, writer):
    while line := (await reader.readline()).decode().strip():
        writer.write((await answer(line)).encode() + b"\n")
    writer.close()


async def main():
    server = await asyncio.start_server(serve, None, int(os.environ["PORT"]))
    async with server:
        await server.serve_forever()


asyncio.run(main())
