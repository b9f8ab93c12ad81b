"""Footnotes of a table."""

from __future__ import annotations

import string


class Footnotes:
    """Marks a, b, c ... given out once per distinct text."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def mark(self, text: str) -> str:
        """The mark of `text`, as "[a]"; empty for no text."""
        if not text:
            return ""
        if text not in self._marks:
            self._marks[text] = _letters(len(self._marks))
        return f"[{self._marks[text]}]"

    def lines(self) -> tuple[str, ...]:
        """All notes in the order of their marks."""
        return tuple(f"[{mark}] {text}" for text, mark in self._marks.items())


def _letters(number: int) -> str:
    """The name of the note with that number, from 0: a to z, then aa to zz, and so on."""
    before, last = divmod(number, len(string.ascii_lowercase))
    return (_letters(before - 1) if before else "") + string.ascii_lowercase[last]
