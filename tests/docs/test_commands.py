"""Every command of README and docs is one that the program takes: with its options, tasks, settings and recipes."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from dinobench.cli.main import main
from dinobench.pipeline.plan import make_plan
from dinobench.runtime.settings import parse_pairs
from dinobench.training.recipe_files import load_recipe
from tests.docs.pages import PAGES, ROOT, steps_of

_OWN = {"answer", "birds", "mine", "spread", "lab", "knn-lab", "NAME", "TASK"}
"""Tasks that a page has the reader write."""


COMMANDS = [
    pytest.param(step.arguments, id=f"{page.relative_to(ROOT)}: {step.arguments[:60]}")
    for page in PAGES
    for step in steps_of(page)
    if step.arguments and not step.arguments.startswith("--")
]


def parsed(command: str) -> tuple[str, dict[str, object]]:
    """Name and parameters of the innermost sub-command, as click reads them; nothing is run."""
    arguments = shlex.split(command, comments=True)
    cut = next((n for n, word in enumerate(arguments) if word in ("|", ">", "&&", ";", "&")), len(arguments))
    context = main.make_context("dinobench", arguments[:cut])
    group: click.Command = main
    while isinstance(group, click.Group):
        words = [*context._protected_args, *context.args]
        if not words:
            break
        name, found, rest = group.resolve_command(context, words)
        assert found is not None
        context, group = found.make_context(name, rest, parent=context), found
    return context.info_name or "", context.params


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_taken_as_it_stands(command: str) -> None:
    name, given = parsed(re.sub(r"\$\w+", "1", command))
    if name == "eval" and "--help-settings" not in command and not _own_tasks(given):
        settings = parse_pairs(given["settings"])  # type: ignore[arg-type]
        make_plan(str(given["tasks"]), str(given["model"]), str(given["data"] or "mini"), None, settings)
    recipe = str(given.get("recipe") or "")
    if name == "train" and recipe and not recipe.endswith(".toml"):
        load_recipe(recipe, parse_pairs(given["settings"]))  # type: ignore[arg-type]


def _own_tasks(given: dict[str, object]) -> set[str]:
    return {job.split("@")[0] for job in str(given["tasks"]).split(",")} & _OWN


def test_the_pages_have_commands_at_all() -> None:
    assert len(COMMANDS) > 100
