"""`dinobench score copydays`: mAP of rankings of copies."""

from __future__ import annotations

from pathlib import Path

import click

from dinobench.cli.completion import data_names
from dinobench.cli.options import not_empty
from dinobench.cli.score import JSON, require_files, show


@click.command()
@click.option(
    "--ranks",
    type=click.Path(path_type=Path),
    required=True,
    help="Ids (copies, results) as .npy, blocks in the published order; or .json {block: {copy: [database names]}}.",
)
@click.option(
    "--data",
    callback=not_empty,
    required=True,
    shell_complete=data_names,
    help="The Copydays folder, or its name below $DINOBENCH_DATA: for the images' names.",
)
@click.option("--top", default=20, show_default=True, help="Results that count, 0 for all.")
@click.option(
    "--measure",
    type=click.Choice(["trapezoid", "standard"]),
    default="trapezoid",
    show_default=True,
    help="Kind of AP.",
)
@JSON
def command(ranks: Path, data: str, top: int, measure: str, json_file: Path | None) -> None:
    """mAP of each block, as the paper measures it unless told otherwise.

    \b
    dinobench score copydays --ranks ranks.npy --data copydays
    """  # noqa: D301, D403  (click reads the backspace as "do not wrap")
    require_files(ranks)
    from dinobench.data.open import dataset_root
    from dinobench.evaluators.common.ranking.files import score_copydays_file

    show(score_copydays_file(ranks, dataset_root(data), top, measure), json_file)
