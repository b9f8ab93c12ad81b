"""Settings of scoring a trained head on corrupted images."""

from __future__ import annotations

from dataclasses import dataclass

from dinobench.evaluators.head_transfer.settings import HeadSettings


@dataclass(frozen=True, kw_only=True)
class Settings(HeadSettings):
    """Which head is scored."""
