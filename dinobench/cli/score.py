"""`dinobench score`: score what another tool wrote; sub-commands are the files score_*.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dinobench.cli.main import FolderGroup

if TYPE_CHECKING:
    from dinobench.evaluators.base import Scores

JSON = click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="Also write the scores here; - is stdout."
)


@click.group(cls=FolderGroup, prefix="score_")
def command() -> None:
    """Score files that another tool wrote: masks or rankings."""


def require_files(*paths: Path) -> None:
    """Refuse a file that is not there before torch is loaded to read it.

    Raises:
        InputError: it names the file.
    """
    from dinobench.runtime.errors import InputError

    for path in paths:
        if not path.exists():
            raise InputError(f"there is no file {path}; check the path")


def show(scores: Scores, json_file: Path | None) -> None:
    """Print metrics, intervals and warnings; or write everything as JSON."""
    import json

    from dinobench.runtime.files import write_text_atomically

    content = {
        "metrics": scores.metrics,
        "intervals": scores.intervals,
        "images": scores.images,
        "warnings": scores.warnings,
        "not_comparable": scores.not_comparable,
        "details": scores.details,
    }
    text = json.dumps(content, indent=2) + "\n"
    if json_file is not None and str(json_file) != "-":
        write_text_atomically(json_file, text)
    if str(json_file) == "-":
        click.echo(text, nl=False)
        return
    for metric, value in scores.metrics.items():
        low, high = scores.intervals.get(metric, (value, value))
        click.echo(f"{metric:<24} {value:.2f}" + (f"  (95% interval {low:.2f} to {high:.2f})" if low < high else ""))
    for warning in scores.warnings:
        click.echo(f"warning: {warning}")
    for reason in scores.not_comparable:
        click.echo(f"not comparable: {reason}")
