"""What was chosen among several, assumed or left out while a model was loaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """One decision that features depend on.

    Attributes:
        what: the setting or fact, such as "heads" or "weights".
        value: what was taken.
        source: on whose word, and how to change it.
    """

    what: str
    value: str
    source: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.value}" + (f" ({self.source})" if self.source else "")
