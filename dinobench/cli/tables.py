"""`dinobench tables`: the paper's tables with ours beside each published figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dinobench.cli.completion import table_names
from dinobench.cli.options import MODELS_DIR, RESULTS, TABLES_DIR, TASKS_DIR
from dinobench.results.tables.render import FORMATS


@click.command()
@click.option(
    "--table",
    "name",
    default="all",
    show_default=True,
    shell_complete=table_names,
    help="2, figure4, ...; all: tables 2 to 9; other: the figures of the model cards.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice([*FORMATS, "parquet"]),
    default="markdown",
    show_default=True,
)
@RESULTS
@TASKS_DIR
@MODELS_DIR
@TABLES_DIR
@click.option("--rows", default="", help='Rows to keep, such as "DINO*,my_run"; ours: those with a figure of ours.')
@click.option("--columns", default="", help='Figures to keep, such as "k-NN,Linear".')
@click.option("--intervals", is_flag=True, help="LaTeX: our 95% intervals in columns of their own.")
@click.option("--bold", is_flag=True, help="LaTeX: the best figure of each column in bold.")
@click.option("--width", default=345.0, show_default=True, help="LaTeX: width of the text in pt.")
@click.option("--output", type=click.Path(path_type=Path), help="Write to this file instead of the terminal.")
def command(name: str, style: str, results: Path, output: Path | None, **options: Any) -> None:
    """Print published tables with our figures and the difference beside them."""
    from dinobench.results.tables import tables
    from dinobench.runtime.files import write_text_atomically

    if style == "parquet":
        _write_parquet(name, results, output, options)
        return
    text = tables(name, style, results, **options)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text_atomically(output, text)
        click.echo(output)


def _write_parquet(name: str, results: Path, output: Path | None, options: dict[str, Any]) -> None:
    from dinobench.results.tables import tables_frame
    from dinobench.runtime.parquet_files import write_frame

    if output is None:
        raise click.UsageError("--format parquet writes a file; name it by --output")
    of_latex = ("intervals", "bold", "width")
    write_frame(tables_frame(name, results, **{key: options[key] for key in options if key not in of_latex}), output)
    click.echo(output)
