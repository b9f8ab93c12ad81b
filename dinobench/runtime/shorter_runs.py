"""One wish is one setting: a run of fewer epochs has shorter parts too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARTS = ("warmup_epochs", "warmup_teacher_temp_epochs", "freeze_last_layer_epochs")


def shorter_parts(changes: Mapping[str, Any], usual: Any, *, whole_run: bool = True) -> dict[str, int]:
    """Lengths of parts, such as the warm-up, that would not fit into the run that the changes ask for.

    Args:
        changes: what the user sets; nothing follows where these leave `epochs` alone, or name the part themselves.
        usual: settings that the changes are made to, with `epochs` and some of `PARTS`.
        whole_run: whether a part may fill the whole run.

    Returns:
        The new lengths by name, in proportion to the run's, rounded down.
    """
    epochs = changes.get("epochs")
    if type(epochs) is not int or epochs < 1:
        return {}
    lengths = {name: getattr(usual, name) for name in PARTS if name not in changes and hasattr(usual, name)}
    longest = epochs if whole_run else epochs - 1
    return {name: length * epochs // usual.epochs for name, length in lengths.items() if length > longest}


def shortened_line(parts: Mapping[str, int], usual: Any, epochs: int) -> str:
    """One line that says which parts were shortened; empty where none was."""
    said = ", ".join(f"{name} = {length} (of {getattr(usual, name)})" for name, length in parts.items())
    return f"epochs = {epochs} of {usual.epochs}, so {said}" if parts else ""
