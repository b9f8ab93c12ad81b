"""Names that a shell completes: tasks, models, recipes, tables, settings and data sets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem


def task_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Tasks, groups and "all"; of several tasks joined by commas the last."""
    from dinobench.cards import load_tasks

    cards = load_tasks(_folder(ctx, "tasks_dir"))
    groups = {group for card in cards.values() for group in card.groups}
    before, comma, last = incomplete.rpartition(",")
    return [CompletionItem(before + comma + name) for name in _starting({*cards, *groups, "all"}, last)]


def model_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Cards of models and the kinds of SPEC; files where no name fits."""
    from dinobench.cards import load_models
    from dinobench.models.loading.model_paths import SCHEMES

    kinds = [scheme if scheme == "pixels" else f"{scheme}:" for scheme in SCHEMES]
    return _or_files(_starting({*load_models(_folder(ctx, "models_dir")), *kinds}, incomplete), incomplete)


def recipe_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Recipes of the package; files where no name fits."""
    from dinobench.training.recipe_files import recipe_names

    return _or_files(_starting(recipe_names(), incomplete), incomplete)


def data_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Data sets by name; folders where no name fits."""
    from dinobench.cards import load_tasks

    known = {card.dataset for card in load_tasks(_folder(ctx, "tasks_dir")).values()}
    return _or_files(_starting({*known, "mini", "digits"}, incomplete), incomplete)


def card_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Cards of models; of several joined by commas the last."""
    from dinobench.cards import load_models

    before, comma, last = incomplete.rpartition(",")
    return [CompletionItem(before + comma + name) for name in _starting(load_models(_folder(ctx, "models_dir")), last)]


def table_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Tables, "all" and "other"."""
    from dinobench.results.tables.specs import OTHER, load_tables

    known = {*load_tables(_folder(ctx, "tables_dir")), "all", OTHER}
    return [CompletionItem(name) for name in _starting(known, incomplete)]


def recorded_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of models in the records; files where no name fits."""
    from dinobench.results.records import RECORDS, RecordStore

    records = RecordStore(_folder(ctx, "results") or RECORDS).runs()
    return _or_files(_starting({record.model.name for record in records}, incomplete), incomplete)


def named_tasks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """TASK= of an option that names something for a task."""
    from dinobench.cards import load_tasks

    tasks = load_tasks(_folder(ctx, "tasks_dir"))
    return [CompletionItem(name) for name in _starting((f"{task}=" for task in tasks), incomplete)]


def setting_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """KEY= of `--set`: of a recipe for `train`, else of the run, the model and the tasks that were typed before."""
    from dinobench.runtime.settings import fields_of

    kinds = _recipe_kinds() if ctx.info_name == "train" else _evaluation_kinds(ctx)
    return [
        CompletionItem(f"{name}=") for name in _starting({key for kind in kinds for key in fields_of(kind)}, incomplete)
    ]


def _recipe_kinds() -> list[type]:
    from dinobench.training.recipe import RecipeSettings

    return [RecipeSettings]


def _evaluation_kinds(ctx: click.Context) -> list[type]:
    from dinobench.cards import load_tasks
    from dinobench.models.loading.settings import ModelSettings
    from dinobench.pipeline.selection import select_tasks
    from dinobench.pipeline.settings import RunSettings

    named = ctx.params.get("tasks")
    chosen = select_tasks(named, load_tasks(_folder(ctx, "tasks_dir"))) if named else []
    return [RunSettings, ModelSettings, *(card.settings_type for card, _ in chosen)]


def _folder(ctx: click.Context, option: str) -> Path | None:
    folder: Path | None = ctx.params.get(option)
    return folder


def _starting(names: Iterable[str], start: str) -> list[str]:
    return sorted(name for name in names if name.startswith(start))


def _or_files(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]
