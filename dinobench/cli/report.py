"""`dinobench report`: everything in one static page."""

from __future__ import annotations

from pathlib import Path

import click

from dinobench.cli.options import RESULTS


@click.command()
@RESULTS
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), help="Folder of runs.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder for the page and its pictures.")
def command(results: Path, runs: Path, output: Path) -> None:
    """Write a static HTML report: tables, records, training curves, pictures."""
    from dinobench.results.report import write_report

    click.echo(f"report in {write_report(results, output, runs)}")
