"""`dinobench verify`: whether records still say what was measured."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from dinobench.cli.options import MODELS_DIR, TASKS_DIR
from dinobench.runtime.text import first_few


class _Share(click.ParamType[float]):
    """1% or 0.01, as a share of 1."""

    name = "share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value)
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = 0.0
        if not 0 < share <= 1:
            self.fail(f"{text!r} is not a share of the images; give such as 1% or 0.01", param, ctx)
        return share


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--rescore", "share", type=_Share(), help="Score this share of the images again, such as 1%.")
@click.option("--model", default="", help="With --rescore: the model, where it is not where the record found it.")
@click.option("--data", default="", help="With --rescore: the data, likewise.")
@click.option("--seed", default=0, show_default=True, help="With --rescore: of the draw of images.")
@TASKS_DIR
@MODELS_DIR
def command(
    target: Path,
    share: float | None,
    model: str,
    data: str,
    seed: int,
    tasks_dir: Path | None,
    models_dir: Path | None,
) -> None:
    """Check a record, or every record of a folder: its seal, its files, and its figures from the values that it kept.

    Exits with code 1 where something does not hold, else with 2 where a record could not be scored again.
    """
    from dinobench.results.verify import verify
    from dinobench.runtime.errors import InputError

    found = verify(target)
    broken = any(each.problems for each in found)
    refused = 0
    for each in found:
        state = "NOT SOUND" if each.problems else "sound"
        again = f", computed again: {', '.join(each.recomputed)}" if each.recomputed else ""
        click.echo(f"{each.path.name}  {state}  {each.files} files{again}")
        _show_lines(each.problems, each.notes)
        if share is not None and each.is_record:
            places = {"model": model, "data": data, "tasks_dir": tasks_dir, "models_dir": models_dir}
            try:
                broken |= _rescored(each.path, share, seed, places)
            except InputError as error:
                refused += 1
                click.echo(f"  not scored again: {error}")
    if broken:
        sys.exit(1)
    if refused:
        raise InputError(f"{refused} of {len(found)} records could not be scored again, for the reasons above")


def _rescored(path: Path, share: float, seed: int, places: dict[str, Any]) -> bool:
    """Score a share of a record's images again and say what came of it; whether something is not as the record says."""
    from dinobench.pipeline.rescore import rescore

    found = rescore(path, share, seed=seed, **places)
    if found.images:
        named = first_few(found.images, 5)
        click.echo(f"  scored again, seed {seed}: {len(found.images)} images: {named}")
    _show_lines(found.problems, found.notes)
    return bool(found.problems)


def _show_lines(problems: Iterable[str], notes: Iterable[str]) -> None:
    for problem in problems:
        click.echo(f"  problem: {problem}")
    for note in notes:
        click.echo(f"  note: {note}")
