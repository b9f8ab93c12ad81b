"""`dinobench eval`: score a model on one task, several, a group or all."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinobench.cli.completion import data_names, model_names, task_names
from dinobench.cli.options import CARD, DEVICE, MODEL_NAME, MODELS_DIR, SETTINGS, TASKS_DIR, not_empty, with_device

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dinobench.cards import ModelCard
    from dinobench.pipeline import Job, ModelRequest, Plan
    from dinobench.results.records import RunRecord


@click.command()
@click.option(
    "--task",
    "tasks",
    required=True,
    shell_complete=task_names,
    help="NAME[@PROTOCOL][,...], a group (table2) or all.",
)
@click.option(
    "--model",
    callback=not_empty,
    shell_complete=model_names,
    help="File, run directory, card, timm:NAME, torchvision:NAME, hf:NAME, random:ARCH or pixels.",
)
@click.option(
    "--data",
    callback=not_empty,
    shell_complete=data_names,
    help="Folder, list (.csv, .json), data set name (below $DINOBENCH_DATA), hf:NAME[/SPLIT], mini or digits.",
)
@click.option("--protocol", help="Protocol of tasks named without one; by default the card's own.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("results/records"),
    show_default=True,
    help="Folder for run records and files.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write records here; - is stdout.")
@click.option("--dry-run", is_flag=True, help="Say what would run and on which data; load nothing.")
@click.option(
    "--estimate", is_flag=True, help="A dry run with time, memory and disk, measured here once, in about 20 seconds."
)
@click.option("--help-settings", is_flag=True, help="Print every setting of the tasks, the run and the model.")
@DEVICE
@SETTINGS
@CARD
@MODEL_NAME
@TASKS_DIR
@MODELS_DIR
def command(
    tasks: str,
    model: str | None,
    data: str | None,
    protocol: str | None,
    output: Path,
    json_file: Path | None,
    dry_run: bool,
    estimate: bool,
    help_settings: bool,
    device: str | None,
    settings: tuple[str, ...],
    card: str,
    model_name: str,
    tasks_dir: Path | None,
    models_dir: Path | None,
) -> None:
    """Score a model; by default the newest run.

    \b
    dinobench eval --task knn --model checkpoint.pth --data path/to/imagenet
    dinobench eval --task table3 --model dino_vits16 --json -
    """  # noqa: D301  (click reads the backspace as "do not wrap")
    from dinobench import pipeline
    from dinobench.cards import load_models, load_tasks
    from dinobench.pipeline.selection import select_tasks, shorter_protocols
    from dinobench.runtime.files import refuse_unwritable
    from dinobench.runtime.launch import told_to_others
    from dinobench.runtime.settings import parse_pairs

    changes = with_device(parse_pairs(settings), device)
    if help_settings:
        _show_settings(tasks, protocol, tasks_dir)
        return
    if dry_run or estimate:
        from dinobench.pipeline.plan import asked_settings

        plan = pipeline.make_plan(tasks, model, data, protocol, changes, tasks_dir=tasks_dir)
        request = pipeline.ModelRequest(plan.model, asked_settings(plan), card, model_name, models_dir)
        cards = load_models(models_dir)
        complete = _show_plan(plan, request, cards, output)
        if estimate:
            _show_estimates(plan, request, cards)
        if not complete:
            sys.exit(2)
        return
    quiet = json_file is not None and str(json_file) == "-"
    if not (quiet or protocol):
        for line in shorter_protocols(select_tasks(tasks, load_tasks(tasks_dir))):
            click.echo(line, err=True)
    with told_to_others():
        for target in (output / "record.json", *([json_file] if json_file and not quiet else [])):
            refuse_unwritable(target)
    records = pipeline.evaluate(
        tasks,
        model,
        data,
        protocol,
        output,
        changes,
        tasks_dir=tasks_dir,
        models_dir=models_dir,
        card=card,
        name=model_name,
        report=lambda record: None if quiet else _show(record),
    )
    if not records:
        return  # another process of the group has them
    if json_file is not None:
        _write_json([_with_whole_paths(record, output) for record in records], json_file)
    if not quiet:
        click.echo(f"records in {output}")
    if any(record.failed for record in records):
        sys.exit(1)


def _show_settings(tasks: str, protocol: str | None, tasks_dir: Path | None) -> None:
    from dinobench.cards import load_tasks
    from dinobench.cli.settings_help import setting_lines
    from dinobench.models.loading.settings import ModelSettings
    from dinobench.pipeline.selection import select_tasks
    from dinobench.pipeline.settings import RunSettings

    groups = {
        f"{card.name}@{used.name}": used.settings for card, used in select_tasks(tasks, load_tasks(tasks_dir), protocol)
    }
    for title, settings in {**groups, "the run": RunSettings(), "the model": ModelSettings()}.items():
        click.echo(f"settings of {title}")
        for line in setting_lines(settings):
            click.echo(line)


def _show_plan(plan: Plan, request: ModelRequest, cards: Mapping[str, ModelCard], output: Path) -> bool:
    """Print what would run; whether nothing is missing."""
    from dinobench.cli.settings_help import setting_lines
    from dinobench.pipeline.model import refuse_missing_model
    from dinobench.pipeline.selection import shorter_protocols
    from dinobench.runtime.errors import InputError

    click.echo(f"model   {plan.model}")
    complete = True
    try:
        refuse_missing_model(request, cards)
    except InputError as error:
        click.echo(f"  missing: {error}")
        complete = False
    for job in plan.jobs:
        where = f"on {job.data}" if job.data else "without data"
        click.echo(f"task    {job.card.name}@{job.protocol.name} version {job.protocol.version} {where}")
        for line in shorter_protocols([(job.card, job.protocol)]):
            click.echo(f"  note: {line}")
        complete &= _show_data(job)
        for line in setting_lines(job.settings, dict.fromkeys(job.overridden, "overridden")):
            click.echo(line)
    click.echo(f"output  {output}")
    return complete


def _show_estimates(plan: Plan, request: ModelRequest, cards: Mapping[str, ModelCard]) -> None:
    from dinobench.cli.cost_lines import cost_line
    from dinobench.pipeline.estimates import estimate_jobs, total_of

    estimates = estimate_jobs(request, plan.jobs, cards)
    for job, each in zip(plan.jobs, estimates, strict=True):
        click.echo(f"cost    {job.card.name}@{job.protocol.name}: {cost_line(each)}")
    if len(estimates) > 1:
        click.echo(f"cost    in all: {cost_line(total_of(estimates))}; features that tasks share count once")


def _show_data(job: Job) -> bool:
    """What a job's data hold and lack, found without opening an image; whether the task could run on them."""
    from dinobench.data.check import check_layout, check_splits
    from dinobench.data.open import is_folder_spec, locate, open_dataset
    from dinobench.data.registry import get_layout
    from dinobench.pipeline.data_specs import refuse_no_data
    from dinobench.runtime.errors import InputError

    layout = job.card.layout
    if job.data == "mini":
        click.echo("  drawn when the task runs")
        return True
    try:
        refuse_no_data(job.data, job.card)
        if is_folder_spec(job.data):
            root, used = locate(job.data, layout)
            findings = check_layout(used, root, job.card.dataset, tuple(job.card.images))
        else:
            findings = check_splits(lambda _, split: open_dataset(job.data, split), Path(), tuple(job.card.images))
    except InputError as error:
        click.echo(f"  missing: {error}")
        return False
    for what, count in findings.counts.items():
        where, _, kind = what.rpartition(" ")
        click.echo(f"  {where:<6} {count} {kind}")
    for problem in findings.problems[:3]:
        click.echo(f"  problem: {problem}")
    for note in findings.notes:
        click.echo(f"  note: {note}")
    # A layout's own check also tells what the published benchmark has beyond these data; that stops no task.
    return not findings.problems or (is_folder_spec(job.data) and hasattr(get_layout(used), "check"))


def _show(record: RunRecord) -> None:
    name = f"{record.task}@{record.protocol.name}  {record.model.name} on {record.data.spec}"
    if record.failed:
        click.echo(f"{name}  FAILED: {record.error}")
        return
    click.echo(name)
    for metric, value in record.metrics.items():
        mark = "*" if metric == record.main_metric else " "
        click.echo(f" {mark} {metric:<24} {_format_figure(value)}{_format_interval(record, metric)}")
    for choice in record.model.choices:
        click.echo(f"   model: {choice}")
    for warning in record.warnings:
        click.echo(f"   warning: {warning}")
    verdict = "yes" if record.comparable else f"no, because {'; '.join(record.because)}"
    click.echo(f"   comparable with the paper: {verdict}")


def _format_figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _format_interval(record: RunRecord, metric: str) -> str:
    if metric not in record.intervals:
        return ""
    low, high = record.intervals[metric]
    return f"  (95% interval {low:.2f} to {high:.2f})"


def _with_whole_paths(record: RunRecord, output: Path) -> RunRecord:
    """The record with its files' whole paths, for a copy that lies outside the records' folder."""
    return dataclasses.replace(record, files=tuple(str((output / file).resolve()) for file in record.files))


def _write_json(records: list[RunRecord], target: Path) -> None:
    import json

    from dinobench.runtime.files import write_text_atomically

    content: list[Any] = [json.loads(record.to_json()) for record in records]
    text = json.dumps(content[0] if len(content) == 1 else content, indent=2) + "\n"
    if str(target) == "-":
        click.echo(text, nl=False)
    else:
        write_text_atomically(target, text)
