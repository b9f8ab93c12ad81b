"""`dinobench report`: everything in one static page."""

from __future__ import annotations

from pathlib import Path

import click

from dinobench.cli.options import MODELS_DIR, RESULTS, TABLES_DIR, TASKS_DIR


@click.command()
@RESULTS
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), help="Folder of runs.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder for the page and its pictures.")
@TASKS_DIR
@MODELS_DIR
@TABLES_DIR
def command(
    results: Path,
    runs: Path,
    output: Path,
    tasks_dir: Path | None,
    models_dir: Path | None,
    tables_dir: Path | None,
) -> None:
    """Write a static HTML report: tables, records, training curves, pictures."""
    from dinobench.results.report import write_report

    page = write_report(results, output, runs, tasks_dir=tasks_dir, models_dir=models_dir, tables_dir=tables_dir)
    click.echo(f"report in {page}")
