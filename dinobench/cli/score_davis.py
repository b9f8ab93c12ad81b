"""`dinobench score davis`: J and F of masks that any method wrote."""

from __future__ import annotations

from pathlib import Path

import click

from dinobench.cli.options import not_empty
from dinobench.cli.score import JSON, show


@click.command()
@click.option("--results", type=click.Path(path_type=Path), required=True, help="Folder of SEQUENCE/00000.png masks.")
@click.option("--data", callback=not_empty, required=True, help="DAVIS folder, or its name below $DINOBENCH_DATA.")
@click.option("--year", type=click.Choice(["2017", "2016"]), default="2017", show_default=True, help="Which list.")
@click.option("--split", default="val", show_default=True, help="Which list of that year.")
@JSON
def command(results: Path, data: str, year: str, split: str, json_file: Path | None) -> None:
    """J&F, J and F of indexed masks, as the official kit computes them, with floors.

    \b
    dinobench score davis --results masks --data DAVIS
    """  # noqa: D301  (click reads the backspace as "do not wrap")
    from dinobench.data.open import dataset_root

    root = dataset_root(data)
    from dinobench.evaluators.video_segmentation.tally import score_folder

    show(score_folder(results, root, year, split), json_file)
