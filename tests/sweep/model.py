# SPDX-License-Identifier: Apache-2.0
"""What a fault must do to a sequence of calls, from the text of the language alone.

Written against docs/language.md ("Faults") and not against the code that decides, so that both
being wrong in the same way is unlikely. Nothing here knows how a hand works.
"""
import dataclasses
import re
import typing

# Of tests/victims/caller.c: what the first letter does, and the second letter's descriptor.
CALLS = {"w": "write", "v": "writev", "p": "pwrite64", "q": "pwritev", "r": "pread64",
         "f": "fsync", "d": "fdatasync", "o": "open", "t": "open", "c": "open", "m": "mkdir",
         "u": "unlink", "k": "connect"}
KINDS = {"a": "file", "b": "file", "s": "file", "n": "device", "m": "memfd", "p": "pipe",
         "u": "unix"}
WRITES = {"write", "writev", "pwrite64", "pwritev"}
ENOENT, EINVAL, ESPIPE, ECONNREFUSED = 2, 22, 29, 111
# Of "k": where it dials; nobody listens at y.
ADDRESSES = {"x": ("127.0.0.1", 7101), "y": ("127.0.0.1", 7102), "z": ("[::1]", 7101)}


@dataclasses.dataclass
class Call:
    """One call of the script."""
    word: str

    @property
    def name(self):
        return CALLS[self.word[0]]

    @property
    def kind(self):
        if self.word[0] == "k":
            return "stream"
        return "path" if self.word[0] in "otcmu" else KINDS[self.word[1]]

    @property
    def address(self):
        return ADDRESSES[self.word[1]] if self.word[0] == "k" else None

    @property
    def path(self):
        """As far as it is known before the call; None = it has none."""
        if self.word[0] in "cmu":
            return "/tmp/c/new.1"  # some new name
        if self.kind in ("file", "path"):
            return "/tmp/c/" + self.word[1]
        # What the service itself would read in /proc/self/fd; pipes and sockets have no path.
        return {"device": "/dev/null", "memfd": "/memfd:caller"}.get(self.kind)

    def result(self):
        """What the kernel says when nobody interferes: 0 or an errno."""
        if self.word[0] == "u":
            return ENOENT
        if self.word == "ky":
            return ECONNREFUSED
        if self.word[0] in "fd" and self.kind in ("device", "pipe", "unix"):
            return EINVAL
        if self.word[0] in "pqr" and self.kind in ("pipe", "unix"):
            return ESPIPE
        return 0

    def in_family(self, family):
        word = self.word[0]
        writes = self.name in WRITES
        return {
            "write": writes,
            "read": word == "r",
            "fsync": word in "fd" or (writes and self.word[1] == "s"),
            "open": self.name == "open",
            "space": writes or word in "cm",
            "modify": writes or word in "tu",
            "unlink": word == "u",
            "mkdir": word == "m",
        }.get(family, self.name == family)


FILE_FAMILIES = {"write", "read", "fsync", "space", "modify"}


@dataclasses.dataclass
class Rule:
    """keyword=action(…) with the options that are given."""
    keyword: str
    action: str  # "deny", "allow"
    errno: int = 0
    errname: str = ""
    nth: typing.Optional[int] = None
    after: typing.Optional[int] = None
    every: typing.Optional[int] = None
    max_fires: typing.Optional[int] = None
    probability: typing.Optional[float] = None  # 0 or 1: a draw between is not for a model to know
    path: typing.Optional[str] = None
    on: typing.Optional[str] = None
    to: typing.Optional[str] = None  # an address, or the name of the service itself
    matched: int = 0
    fired: int = 0

    def kind_fits(self, call):
        if self.on is not None:
            # What names a file is about files, whatever descriptor it makes.
            kind = "file" if call.kind == "path" else call.kind
            return {"any": True, "file": kind == "file", "pipe": kind == "pipe",
                    "unix": kind == "unix", "socket": kind in ("unix", "stream"),
                    "stream": kind == "stream", "udp": False}[self.on]
        files_only = self.keyword in FILE_FAMILIES or self.keyword in WRITES | {
            "pread64", "fsync", "fdatasync"}
        return call.kind in ("file", "path") or not files_only

    def path_fits(self, call):
        if self.path is None:
            return True
        if call.path is None:
            return False
        parts = re.split(r"(\*\*|\*)", self.path)
        pattern = "".join({"**": ".*", "*": "[^/]*"}.get(p, re.escape(p)) for p in parts)
        return re.fullmatch(pattern, call.path) is not None

    def peer_fits(self, call):
        """Who is at an address is who listens there: at y nobody does."""
        if self.to is None:
            return True
        if self.to == "caller":
            return call.word != "ky"
        host, port = self.to.rsplit(":", 1)
        own, at = call.address
        return int(port) == at and (host == own or host == "localhost")

    def matches(self, call):
        return (call.in_family(self.keyword) and self.kind_fits(call) and self.path_fits(call) and
                self.peer_fits(call))

    def fires(self):
        """Counts a match; whether it fires."""
        self.matched += 1
        n = self.matched
        after, most = self.after or 0, self.max_fires
        if self.nth is not None:
            after, most = self.nth - 1, 1
        if n <= after or (n - after) % (self.every or 1) != 0:
            return False
        if most is not None and self.fired >= most:
            return False
        if self.probability is not None and self.probability == 0:
            return False
        self.fired += 1
        return True


def outcomes(calls, scopes):
    """The results of the calls under `scopes`, outermost first; each a list of rules as written."""
    results = []
    for call in calls:
        decision = None
        for rule in (rule for scope in reversed(scopes) for rule in scope):
            if rule.matches(call) and rule.fires():
                decision = rule
                break
        denied = decision is not None and decision.action == "deny"
        results.append(decision.errno if denied else call.result())
    return results
