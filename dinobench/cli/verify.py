"""`dinobench verify`: whether records still say what was measured."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
def command(target: Path) -> None:
    """Check a record, or every record of a folder: its seal, its files, and its figures from the values that it kept.

    Exits with code 1 where something does not hold.
    """
    from dinobench.results.verify import verify

    found = verify(target)
    for each in found:
        state = "NOT SOUND" if each.problems else "sound"
        again = f", computed again: {', '.join(each.recomputed)}" if each.recomputed else ""
        click.echo(f"{each.path.name}  {state}  {each.files} files{again}")
        for problem in each.problems:
            click.echo(f"  problem: {problem}")
        for note in each.notes:
            click.echo(f"  note: {note}")
    if any(each.problems for each in found):
        sys.exit(1)
