#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command as an ordinary user to whom the kernel gives no user namespaces.

    without_user_namespaces.py COMMAND…

It stands in a user namespace whose max_user_namespaces is 0, as its own user and without rights.
"""
import ctypes
import os
import sys

CLONE_NEWUSER = 0x10000000


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def main():
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        sys.exit("without_user_namespaces.py: for an ordinary user")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        sys.exit(f"unshare: {os.strerror(ctypes.get_errno())}")
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{uid} {uid} 1")
    write("/proc/self/gid_map", f"{gid} {gid} 1")
    write("/proc/sys/user/max_user_namespaces", "0")
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
