"""README and the pages of docs as steps: commands, files that a reader writes, and Python that a reader runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = ("dinobench", "torchrun", "python", "pip", "eval", "for", "make")
_BLOCK = re.compile(r"^```(\w+)\n((?s:.*?))^```|((?:^    .*\n|^\s*\n)*^    .*$)", re.MULTILINE)
_LAUNCHER = re.compile(r"^(?:torchrun [^#]*?-m )?(?:python -m )?dinobench ")


@dataclass(frozen=True)
class Step:
    """Something that a page has its reader do.

    Attributes:
        kind: "command", or the language of a block: "python", "toml", "csv".
        text: the command on one line without its comment, or the block.
        file: name of the file that the block is, "" for Python to run.
        more: whether the block stands at the end of a file that is there.
    """

    kind: str
    text: str
    file: str = ""
    more: bool = False

    @property
    def arguments(self) -> str:
        """What stands behind the program's name in a command of ours, of torchrun's too; "" in others."""
        found = _LAUNCHER.match(self.text)
        return self.text[found.end() :] if found and self.kind == "command" else ""


def steps_of(page: Path) -> Iterator[Step]:
    """The steps of a page in their order; blocks of text are output."""
    text = page.read_text(encoding="utf-8")
    for block in _BLOCK.finditer(text):
        language, fenced, indented = block.groups()
        if indented:
            yield from _commands(indented)
        elif language != "text":
            yield _block(language, fenced, text[: block.start()].rstrip().split("\n\n")[-1])


def _commands(block: str) -> Iterator[Step]:
    for line in re.sub(r"\\\n\s*", "", block).splitlines():
        command = re.sub(r"\s+# .*|;\s+do$", "", line.strip().removeprefix("$ ")).strip()
        if command.split(" ")[0] in PROGRAMS:
            yield Step("command", command)


def _block(language: str, text: str, before: str) -> Step:
    """A block is the file whose name ends the sentence before it."""
    suffix = "py" if language == "python" else language
    names = re.findall(rf"`([\w./-]+\.{suffix})`", before) if before.endswith(":") else []
    return Step(language, text, names[-1] if names else "", "at the end of" in before)
