"""`dinobench score davis`: J and F of masks that any method wrote."""

from __future__ import annotations

from pathlib import Path

import click

from dinobench.cli.completion import card_names, data_names
from dinobench.cli.options import not_empty
from dinobench.cli.score import JSON, show


@click.command()
@click.option("--results", type=click.Path(path_type=Path), required=True, help="Folder of SEQUENCE/00000.png masks.")
@click.option(
    "--data",
    callback=not_empty,
    required=True,
    shell_complete=data_names,
    help="DAVIS folder, or its name below $DINOBENCH_DATA.",
)
@click.option("--year", type=click.Choice(["2017", "2016"]), default="2017", show_default=True, help="Which list.")
@click.option("--split", default="val", show_default=True, help="Which list of that year.")
@click.option(
    "--as",
    "card",
    callback=not_empty,
    shell_complete=card_names,
    help="Card whose code wrote the masks, such as stm_rn50: its record.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Folder of that record.  [default: results/records]")
@JSON
def command(
    results: Path, data: str, year: str, split: str, card: str | None, output: Path | None, json_file: Path | None
) -> None:
    """J&F, J and F of indexed masks, as the official kit computes them, with floors.

    \b
    dinobench score davis --results masks --data DAVIS
    dinobench score davis --results masks --data DAVIS --as stm_rn50 --output results/paper
    """  # noqa: D301  (click reads the backspace as "do not wrap")
    if not results.is_dir():
        from dinobench.runtime.errors import InputError

        raise InputError(f"there is no folder {results}; give the one that holds SEQUENCE/00000.png masks")
    if card:
        _record(results, data, year, split, card, output)
        return
    if output:
        raise click.UsageError("--output is the folder of a record; say --as CARD too")
    from dinobench.data.open import dataset_root

    root = dataset_root(data)
    from dinobench.evaluators.video_segmentation.tally import score_folder

    show(score_folder(results, root, year, split), json_file)


def _record(results: Path, data: str, year: str, split: str, card: str, output: Path | None) -> None:
    from dinobench.pipeline.masks import MaskRequest, record_masks
    from dinobench.results.records import RECORDS

    folder = output or RECORDS
    record = record_masks(MaskRequest(results, data, card, folder, year, split))
    click.echo(f"{card} {record.task}@{record.protocol.name}  {record.main_metric} {record.value or 0.0:.2f}")
    for line in (*record.warnings, *(f"not comparable: {reason}" for reason in record.because)):
        click.echo(line)
    click.echo(f"records in {folder}")
