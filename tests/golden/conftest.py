"""Golden figures: read from $DINOBENCH_GOLDEN, by default ../shared/golden beside the project's root."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(os.environ.get("DINOBENCH_GOLDEN", Path(__file__).parents[2].parent / "shared" / "golden"))


@dataclass(frozen=True)
class Golden:
    """One case: its arrays, by their stored names, and its settings."""

    arrays: dict[str, np.ndarray]
    settings: dict[str, Any]

    def under(self, prefix: str) -> dict[str, np.ndarray]:
        """Arrays below `prefix`, the prefix removed."""
        return {name.removeprefix(prefix): array for name, array in self.arrays.items() if name.startswith(prefix)}


def load_golden(name: str, settings: str | None = None) -> Golden:
    """Case NAME.npz with NAME.json (or `settings`.json); skips the test where the arrays are absent."""
    arrays = ROOT / f"{name}.npz"
    if not arrays.is_file():
        pytest.skip(f"no golden case {arrays}")
    text = ROOT / f"{settings or name}.json"
    with np.load(arrays, allow_pickle=False) as archive:
        return Golden(dict(archive), json.loads(text.read_text()) if text.is_file() else {})
