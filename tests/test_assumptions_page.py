"""The page of assumptions quotes lines that the program prints: each must stand in its text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "what-dinobench-assumes.md"
SHORTEST = 8  # characters of a piece between names and numbers that is looked for


def _texts(path: Path) -> Iterator[str]:
    """The texts of a module, with a blank for what is filled in."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@cache
def _all_texts() -> str:
    return "\n".join(text for path in sorted((ROOT / "dinobench").rglob("*.py")) for text in _texts(path))


def _quoted_lines() -> list[str]:
    if not PAGE.is_file():
        return []
    rows = [line.split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [quote for row in rows if len(row) == 5 for quote in re.findall(r"`([^`]{12,})`", row[2])]


def _pieces(line: str) -> list[str]:
    """What stands between names (in capitals), numbers, paths and the signs that lines are put together with."""
    parts = re.split(r"[:()',]|\b[A-Z]{3,}\b|\b[NM]\b|\d[\d.e-]*|\w+\.(?:csv|json)|\w+/|\.\w{3}\b", line)
    return [part for part in parts if len(part.strip()) >= SHORTEST]


@pytest.mark.parametrize("line", _quoted_lines())
def test_every_quoted_line_is_printed_somewhere(line: str) -> None:
    absent = [piece for piece in _pieces(line) if piece.strip() not in _all_texts()]
    assert not absent, absent
