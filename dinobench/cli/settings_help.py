"""Settings as the command line prints them: value, help, type and range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dinobench.runtime.settings import Field, fields_of, toml_text


def setting_lines(settings: Any, notes: Mapping[str, str] | None = None) -> Iterator[str]:
    """One line for each setting of an object: its value, what it is and what it takes.

    Args:
        settings: an object of a settings type.
        notes: further words by a setting's name.
    """
    fields = fields_of(type(settings))
    values = {name: f"{name} = {toml_text(getattr(settings, name))}" for name in fields}
    width = min(44, max(map(len, values.values()), default=0))
    for name, field in fields.items():
        note = f"  [{notes[name]}]" if notes and name in notes else ""
        yield f"  {values[name]:<{width}}  {field.about.help} ({_values_taken(field)}){note}"


def _values_taken(field: Field) -> str:
    """Type, range, unit and default, and whether the value can move the figure."""
    parts = [f"{field.expected}{f' {field.about.unit}' if field.about.unit else ''}"]
    parts += [f"default {toml_text(field.default)}"]
    if not field.about.moves_figure:
        parts += ["moves the figure of batch norm only" if field.about.moves_batch_norm else "does not move the figure"]
    return "; ".join(parts)
