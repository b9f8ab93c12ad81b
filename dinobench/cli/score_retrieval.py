"""`dinobench score retrieval`: mAP of rankings of revisited Oxford or Paris."""

from __future__ import annotations

from pathlib import Path

import click

from dinobench.cli.score import JSON, require_files, show


@click.command()
@click.option(
    "--ranks",
    type=click.Path(path_type=Path),
    required=True,
    help="Ids (results, queries) as .npy, or one list of ids or names per query as .json or text.",
)
@click.option(
    "--gnd", type=click.Path(path_type=Path), required=True, help="gnd_roxford5k.pkl, gnd_rparis6k.pkl or .json."
)
@JSON
def command(ranks: Path, gnd: Path, json_file: Path | None) -> None:
    """Easy, medium and hard mAP of rankings, best result first.

    \b
    dinobench score retrieval --ranks ranks.npy --gnd roxford5k/gnd_roxford5k.pkl
    """  # noqa: D301  (click reads the backspace as "do not wrap")
    require_files(ranks, gnd)
    from dinobench.evaluators.common.ranking.files import score_retrieval_file

    show(score_retrieval_file(ranks, gnd), json_file)
