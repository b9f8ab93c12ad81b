"""`dinobench publish`: records for a model's page on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dinobench.cli.completion import named_tasks, recorded_names
from dinobench.cli.options import TASKS_DIR

if TYPE_CHECKING:
    from dinobench.results.publish import Publication


@click.command()
@click.argument("targets", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RECORDS...")
@click.option("--model-repo", "repo", required=True, metavar="OWNER/NAME", help="The model's repository on the Hub.")
@click.option(
    "--model", default="", shell_complete=recorded_names, help="Of this model alone, by its name in the records."
)
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    metavar="TASK=NAME",
    shell_complete=named_tasks,
    help="A task's data set on the Hub.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Folder to write; by default publish/NAME.")
@click.option("--dry-run", is_flag=True, help="Print what would be written; write nothing.")
@click.option("--push", is_flag=True, help="Also upload it; without this nothing leaves the machine.")
@TASKS_DIR
def command(
    targets: tuple[Path, ...],
    repo: str,
    model: str,
    datasets: tuple[str, ...],
    output: Path | None,
    dry_run: bool,
    push: bool,
    tasks_dir: Path | None,
) -> None:
    """Write what a model's repository shows of RECORDS (files or folders): results, card, predictions, a bundle."""
    from dinobench.results.publish import plan_publication, push_publication, write_publication

    if dry_run and push:
        raise click.UsageError("--dry-run and --push exclude each other")
    publication = plan_publication(targets, repo, model, _named_datasets(datasets), tasks_dir=tasks_dir)
    if dry_run:
        _show(publication)
        return
    folder = output or Path("publish") / repo.rpartition("/")[2]
    bundle = write_publication(publication, folder)
    click.echo(f"{len(publication.paths)} records in {folder}; check them by `dinobench verify {bundle}`")
    _show_notes(publication)
    if push:
        click.echo(f"pushed to {push_publication(publication, folder)}")


def _named_datasets(pairs: tuple[str, ...]) -> dict[str, str]:
    named = dict(pair.partition("=")[::2] for pair in pairs)
    if not all(named.values()):
        raise click.UsageError("--dataset takes TASK=NAME, such as knn=ILSVRC/imagenet-1k")
    return named


def _show(publication: Publication) -> None:
    click.echo(f"for {publication.repo}, nothing written")
    for path in publication.paths:
        click.echo(f"dinobench/{path.name}")
    click.echo(f"dinobench/predictions.parquet  values of every image from {publication.tables} records")
    for name, text in publication.texts.items():
        click.echo(f"\n{name}\n{text}")
    _show_notes(publication)


def _show_notes(publication: Publication) -> None:
    for task in publication.nameless:
        click.echo(f"note: the data of {task} have no name on the Hub, so no .eval_results; --dataset {task}=NAME")
    for place in publication.local_paths:
        click.echo(f"note: the records name {place} on this machine")
