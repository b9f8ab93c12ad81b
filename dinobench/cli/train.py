"""`dinobench train`: train by a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinobench.cli.completion import data_names, recipe_names
from dinobench.cli.options import DEVICE, RESOURCES, SETTINGS, not_empty
from dinobench.runtime.cluster import LAUNCHERS

if TYPE_CHECKING:
    from dinobench.models.loading.loaded import LoadedBackbone


@click.command()
@click.option(
    "--recipe",
    shell_complete=recipe_names,
    help="Name (see `dinobench recipes`) or TOML file; by default mini, with init=SPEC continue.",
)
@click.option(
    "--data",
    callback=not_empty,
    shell_complete=data_names,
    help="Folder, data set name (below $DINOBENCH_DATA), hf:NAME, mini or digits.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Run directory; by default runs/RECIPE-TIME.")
@click.option("--resume/--no-resume", default=True, show_default=True, help="Continue the run that --output holds.")
@DEVICE
@click.option("--launcher", type=click.Choice(LAUNCHERS), help="Submit a job of many processes instead.")
@RESOURCES
@click.option("--dry-run", is_flag=True, help="Say what would be loaded and drawn, time and memory; train nothing.")
@SETTINGS
def command(
    recipe: str | None,
    data: str | None,
    output: Path | None,
    resume: bool,
    device: str | None,
    launcher: str | None,
    resources: tuple[str, ...],
    dry_run: bool,
    settings: tuple[str, ...],
) -> None:
    """Train a backbone by DINO.

    \b
    dinobench train
    dinobench train --recipe imagenette --data path/to/imagenette --set epochs=20
    dinobench train --data FOLDER --set init=dinov2_vits14 --output runs/mine
    dinobench train --recipe vits16-300ep --data imagenet --launcher slurm \\
        --resource nodes=2 --resource gpus_per_node=8 --resource slurm_partition=gpu
    """  # noqa: D301  (click reads the backspace as "do not wrap")
    from dinobench.pipeline.early import refuse_early
    from dinobench.runtime.errors import InputError
    from dinobench.runtime.launch import launched, told_to_others
    from dinobench.runtime.settings import parse_pairs
    from dinobench.runtime.shorter_runs import shortened_line, shorter_parts
    from dinobench.training.recipe_files import load_recipe

    changes, first = parse_pairs(settings), launched()[0] == 0
    recipe = recipe or ("continue" if changes.get("init") else "mini")
    with told_to_others():
        load_recipe(recipe, changes)
        parts = shorter_parts(changes, usual := load_recipe(recipe))
        if parts and first:
            click.echo(shortened_line(parts, usual, changes["epochs"]), err=True)
        refuse_early(data=data)
    from dinobench.training.run import describe_run, train

    if dry_run:
        lines = describe_run(recipe, data, output, settings=changes, device=device, load_start=load_start)
        for line in lines if first else ():
            click.echo(line)
        return
    if launcher:
        _submit_training(launcher, parse_pairs(resources), recipe, data, output, resume, device, changes)
        return
    if resources:
        raise InputError("--resource belongs to a job; say --launcher slurm or --launcher local")
    folder = train(recipe, data, output, resume=resume, settings=changes, device=device, load_start=load_start)
    if not first:
        return
    click.echo(f"run directory {folder}")
    click.echo(f"score it with: dinobench eval --task knn --model {folder}")


def load_start(spec: str, *, settings: Mapping[str, Any] | None = None) -> LoadedBackbone:
    """The network that `init` names: all that `eval --model` takes, cards too."""
    from dinobench.pipeline.model import ModelRequest, resolve_model

    return resolve_model(ModelRequest(spec)).backbone


def _submit_training(
    launcher: str,
    resources: dict[str, Any],
    recipe: str,
    data: str | None,
    output: Path | None,
    resume: bool,
    device: str | None,
    settings: dict[str, Any],
) -> None:
    from dinobench.training.launcher import Training, outcome, submit
    from dinobench.training.run_folder import default_folder, refuse_held

    folder = (output or default_folder(recipe)).absolute()
    if not resume:
        refuse_held(folder)
    job = submit(Training(recipe, data, folder, settings, device, load_start), launcher, resources)
    click.echo(f"job {job.job_id}, log {job.paths.stderr}")
    if launcher == "local":
        outcome(job)
    click.echo(f"run directory {folder}")
