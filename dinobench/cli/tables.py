"""`dinobench tables`: the paper's tables with ours beside each published figure."""

from __future__ import annotations

from pathlib import Path

import click

from dinobench.cli.options import MODELS_DIR, RESULTS, TASKS_DIR


@click.command()
@click.option("--table", "name", default="all", show_default=True, help="1 to 10, 12, figure4, figure6; all: 2 to 9.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["markdown", "latex", "csv", "html"]),
    default="markdown",
    show_default=True,
)
@RESULTS
@TASKS_DIR
@MODELS_DIR
def command(name: str, style: str, results: Path, tasks_dir: Path | None, models_dir: Path | None) -> None:
    """Print published tables with our figures and the difference beside them."""
    from dinobench.results.tables import tables

    click.echo(tables(name, style, results, tasks_dir=tasks_dir, models_dir=models_dir), nl=False)
