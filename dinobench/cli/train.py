"""`dinobench train`: train by a recipe."""

from __future__ import annotations

from pathlib import Path

import click

from dinobench.cli.options import SETTINGS


@click.command()
@click.option("--recipe", default="mini", show_default=True, help="Name (see `dinobench recipes`) or TOML file.")
@click.option("--data", help="Folder, data set name (below $DINOBENCH_DATA), hf:NAME, mini or digits.")
@click.option("--output", type=click.Path(path_type=Path), help="Run directory; by default runs/RECIPE-TIME.")
@click.option("--resume/--no-resume", default=True, show_default=True, help="Continue the run that --output holds.")
@click.option("--device", help="cpu, cuda, cuda:N or mps; by default the best there is.")
@SETTINGS
def command(
    recipe: str, data: str | None, output: Path | None, resume: bool, device: str | None, settings: tuple[str, ...]
) -> None:
    """Train a backbone by DINO.

    \b
    dinobench train
    dinobench train --recipe imagenette --data path/to/imagenette --set epochs=20
    """  # noqa: D301  (click reads the backspace as "do not wrap")
    from dinobench.runtime.settings import parse_pairs
    from dinobench.training.run import train

    folder = train(recipe, data, output, resume=resume, settings=parse_pairs(settings), device=device)
    click.echo(f"run directory {folder}")
    click.echo(f"score it with: dinobench eval --task knn --model {folder}")
