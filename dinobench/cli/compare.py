"""`dinobench compare`: whether two models differ by more than chance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dinobench.cli.completion import recorded_names
from dinobench.cli.options import RESULTS, TASKS_DIR

if TYPE_CHECKING:
    from dinobench.results.compare import Comparison


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="A B [C ...]", shell_complete=recorded_names)
@RESULTS
@TASKS_DIR
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap.")
def command(names: tuple[str, ...], results: Path, seed: int, tasks_dir: Path | None) -> None:
    """Compare models image by image, every two of them: records (.json files), or models by name.

    Every record keeps a value of each image, unless it was made with --set predictions=false.
    Records of a model that differ in nothing but seeds are runs of one figure: their mean is compared.
    """
    from dinobench.results.compare import compare

    if len(names) < 2:
        raise click.UsageError("give two or more models or records")
    for comparison in compare(names, results, seed, tasks_dir=tasks_dir):
        _show(comparison)


def _show(comparison: Comparison) -> None:
    one, other, found = comparison.record_a, comparison.record_b, comparison.difference
    click.echo(f"{one.task}@{one.protocol.name}, {one.main_metric}, {comparison.images} images{_runs_note(comparison)}")
    click.echo(f"  A  {one.model.name:<40} {comparison.a:7.2f}")
    click.echo(f"  B  {other.model.name:<40} {comparison.b:7.2f}")
    click.echo(
        f"  A - B = {found.value:+.2f}  (95% interval {found.low:+.2f} to {found.high:+.2f}, "
        f"p = {_p_value(comparison)}): {comparison.verdict}"
    )
    if comparison.exact is not None:
        click.echo(f"  McNemar's exact test: p = {comparison.exact:.3g}")
    if comparison.of_runs is not None:
        click.echo(f"  Welch's test of the runs' means: p = {comparison.of_runs:.3g}")
    for note in comparison.notes:
        click.echo(f"  note: {note}")


def _p_value(comparison: Comparison) -> str:
    plain, corrected = comparison.difference.p_value, comparison.p_value
    return f"{plain:.3g}" if plain == corrected else f"{plain:.3g}, {corrected:.3g} by Holm's correction"


def _runs_note(comparison: Comparison) -> str:
    """How many runs stand behind each mean, where it is not one."""
    a, b = comparison.runs
    return "" if a == b == 1 else f", means of {a} and {b} runs, drawn again like the images"
