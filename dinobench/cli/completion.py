"""Names that a shell completes: tasks, models, recipes and data sets."""

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


def _folder(ctx: click.Context, option: str) -> Path | None:
    folder: Path | None = ctx.params.get(option)
    return folder


def _starting(names: Iterable[str], start: str) -> list[str]:
    return sorted(name for name in names if name.startswith(start))


def _or_files(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]
