#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every sample in README.md and docs/ is what it says: checked, and with --run played.

    tests/specs/doc_samples.py build/bin/fbx [--run] [--write]

What stands behind the three backticks says what the block is:

    python [name=shop.star]   a spec: `fbx check` accepts it, and each of its tests passes
    python more               goes on from the spec above it; checked and played with it
    python wrong              a spec that is refused with the text block below it
    python warns              a spec that is accepted with the text block below it
    text                      after wrong and warns: what fbx says, to the letter
    toml                      the plan that the spec above it compiles to, or a part of it
    toml hand                 a plan that nobody compiled: checked and played as a spec is
    sh                        commands: `fbx …` ends with 0 (or `# exit N`) beside the spec above it;
                              scripts/… is there

Programs of the samples are those of examples/partition, as bin/. --write puts what fbx says today
into the text and toml blocks.
"""
import argparse
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.M | re.S)


class Document:
    """One file's blocks in order, and what was found wrong with them."""

    def __init__(self, path, options):
        self.path, self.options = path, options
        self.text = path.read_text()
        self.wrong, self.seen, self.replaced = [], 0, []
        self.spec, self.spec_line, self.name = None, 0, "sample.star"
        self.said = None  # what fbx said about the last wrong or warns block

    def complain(self, line, what):
        self.wrong.append(f"{self.path.relative_to(ROOT)}:{line}: {what}")

    def fbx(self, *arguments, cwd):
        return subprocess.run([self.options.fbx, *arguments], cwd=cwd, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=300)

    def folder(self):
        """A fresh folder with bin/ and, where there is one, the spec so far."""
        kept = tempfile.TemporaryDirectory(prefix="fbx-doc-")
        place = pathlib.Path(kept.name)
        (place / "bin").symlink_to(self.options.programs)
        if self.spec is not None:
            (place / self.name).write_text(self.spec)
        return kept

    def finish_spec(self):
        """The spec with all that went on from it is complete."""
        if self.spec is None:
            return
        with self.folder() as place:
            check = self.fbx("check", self.name, cwd=place)
            if check.returncode != 0 or "warning:" in check.stderr + check.stdout:
                self.complain(self.spec_line, f"fbx check ended with {check.returncode}\n"
                                              f"{check.stdout}{check.stderr}")
            elif self.options.run:
                self.play(place)

    def play(self, place):
        results = pathlib.Path(place) / "results.json"
        run = self.fbx("run", self.name, "--json", str(results), cwd=place)
        if not results.exists():
            self.complain(self.spec_line, f"fbx run wrote no results\n{run.stderr}{run.stdout}")
            return
        for test in json.loads(results.read_text())["tests"]:
            if test["verdict"] != "pass":
                self.complain(self.spec_line, f"{test['name']}: {test['verdict']}\n{run.stdout}"
                                              f"{run.stderr}")

    def python(self, line, words, body):
        if "more" in words:
            if self.spec is None:
                self.complain(line, "goes on from no spec")
                return
            self.spec += "\n" + body
            return
        self.finish_spec()
        self.spec, self.spec_line, self.name = body, line, "sample.star"
        for word in words:
            if word.startswith("name="):
                self.name = word[5:]
        for word, status in (("wrong", 1), ("warns", 0)):
            if word in words:
                with self.folder() as place:
                    check = self.fbx("check", self.name, cwd=place)
                self.said = check.stderr + check.stdout
                if check.returncode != status:
                    self.complain(line, f"fbx check ended with {check.returncode}, not {status}")
                self.spec = None

    def output(self, line, words, body):
        if self.said is None:
            return
        self.compare(line, body, self.said)
        self.said = None

    def toml(self, line, words, body):
        if "hand" in words:
            self.finish_spec()
            self.spec, self.spec_line, self.name = body, line, "hand.toml"
            return
        if self.spec is None:
            return
        with self.folder() as place:
            plan = self.fbx("compile", self.name, cwd=place).stdout
            (pathlib.Path(place) / "whole.toml").write_text(plan)
            if self.fbx("check", "whole.toml", cwd=place).returncode != 0:
                self.complain(line, "its plan is not accepted")
        if "part" not in words:
            self.compare(line, body, plan)
        elif body.strip() not in plan:
            self.complain(line, f"is no part of the plan, which is\n{plan}")

    def compare(self, line, shown, said):
        if shown == said:
            return
        if self.options.write:
            self.replaced.append((line, shown, said))
        else:
            self.complain(line, f"shows\n{shown}but fbx says\n{said}")

    def sh(self, line, words, body):
        for number, command in enumerate(body.splitlines(), line + 1):
            text, _, comment = command.partition("#")
            parts = shlex.split(text)
            if not parts:
                continue
            if parts[0].startswith("scripts/") and not (ROOT / parts[0]).is_file():
                self.complain(number, f"there is no {parts[0]}")
            if parts[0] != "fbx" or (parts[1] in ("run", "test") and not self.options.run):
                continue
            wanted = re.search(r"exit (\d+)", comment)
            with self.folder() as place:
                if self.spec is not None:
                    self.fbx("compile", self.name, "-o", "plan.toml", cwd=place)
                ended = self.fbx(*parts[1:], cwd=place)
            if ended.returncode != (int(wanted[1]) if wanted else 0):
                self.complain(number, f"{text.strip()} ended with {ended.returncode}\n"
                                      f"{ended.stdout}{ended.stderr}")

    def read(self):
        kinds = {"python": self.python, "text": self.output, "toml": self.toml, "sh": self.sh}
        for block in BLOCK.finditer(self.text):
            if block[1] not in kinds:
                continue
            self.seen += 1
            line = self.text[:block.start()].count("\n") + 1
            kinds[block[1]](line, block[2].split(), block[3])
        self.finish_spec()
        self.rewrite()

    def rewrite(self):
        lines = self.text.split("\n")
        for line, shown, said in reversed(self.replaced):
            lines[line:line + shown.count("\n")] = said.rstrip("\n").split("\n")
        if self.replaced:
            self.path.write_text("\n".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fbx", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--run", action="store_true", help="play the specs, as root")
    parser.add_argument("--write", action="store_true", help="put today's output into the blocks")
    parser.add_argument("--only", default="", help="a part of the document's name")
    options = parser.parse_args()
    options.programs = options.fbx.parents[1] / "examples/partition/dynamic"
    seen, wrong = 0, []
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        if options.only not in path.name:
            continue
        document = Document(path, options)
        document.read()
        seen += document.seen
        wrong += document.wrong
    print("\n".join([*wrong, f"{seen} blocks, {len(wrong)} wrong"]))
    return 1 if wrong or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
