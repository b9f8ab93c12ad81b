"""`dinobench tables`: the paper's tables with ours beside each published figure."""

from __future__ import annotations

from pathlib import Path

import click

from dinobench.cli.options import MODELS_DIR, RESULTS, TABLES_DIR, TASKS_DIR
from dinobench.results.tables.render import FORMATS


@click.command()
@click.option("--table", "name", default="all", show_default=True, help="2, figure4, ...; all: tables 2 to 9.")
@click.option(
    "--format",
    "style",
    type=click.Choice(list(FORMATS)),
    default="markdown",
    show_default=True,
)
@RESULTS
@TASKS_DIR
@MODELS_DIR
@TABLES_DIR
@click.option("--output", type=click.Path(path_type=Path), help="Write to this file instead of the terminal.")
def command(
    name: str,
    style: str,
    results: Path,
    tasks_dir: Path | None,
    models_dir: Path | None,
    tables_dir: Path | None,
    output: Path | None,
) -> None:
    """Print published tables with our figures and the difference beside them."""
    from dinobench.results.tables import tables
    from dinobench.runtime.files import write_text_atomically

    text = tables(name, style, results, tasks_dir=tasks_dir, models_dir=models_dir, tables_dir=tables_dir)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text_atomically(output, text)
        click.echo(output)
