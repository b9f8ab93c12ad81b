"""A training run, from recipe and data to a run directory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.console import announce
from dinobench.runtime.device import pick_device, prepare_device
from dinobench.runtime.errors import InputError
from dinobench.runtime.launch import told_to_others
from dinobench.runtime.processes import agree, from_first, process_group
from dinobench.runtime.trackers import refuse_missing_tracker
from dinobench.training import dry_run
from dinobench.training.recipe import Recipe
from dinobench.training.recipe_checks import warnings_of
from dinobench.training.recipe_files import load_recipe
from dinobench.training.run_folder import default_folder, refuse_held
from dinobench.training.start import LoadStart, open_start
from dinobench.training.training_run import TrainingRun


def train(
    recipe: str = "mini",
    data: str | None = None,
    output: Path | str | None = None,
    *,
    resume: bool = True,
    settings: Mapping[str, Any] | None = None,
    device: str | None = None,
    load_start: LoadStart = load_backbone,
) -> Path:
    """Train by a recipe; continues the run in `output` if there is one.

    Under torchrun every process calls this; the batch is shared out between them.

    Args:
        recipe: name or TOML file.
        data: Data SPEC with a "train" split; by default the recipe's. A labeled "val" split feeds the k-NN probe.
        output: run directory; by default runs/RECIPE-TIME.
        resume: without it, a directory that holds a run is refused.
        settings: fields of the recipe to change.
        device: by default the best there is.
        load_start: loads what the recipe's `init` names.

    Returns:
        The run directory, with checkpoint.pth, best.pth and log.jsonl.

    Raises:
        InputError: bad recipe, data or directory.
        RunFailedError: a collapse, or a loss that is not finite.
    """
    with _group_on(device) as here:
        chosen = _agreed_recipe(recipe, settings)
        refuse_missing_tracker(chosen.log)
        for line in warnings_of(chosen):
            announce(line)
        spec = _data_of(chosen, data)
        folder = Path(output) if output else from_first(lambda: default_folder(chosen.name), "run directory")
        if not resume:
            refuse_held(folder)
        prepare_device(here)
        start = open_start(chosen, folder, load_start)
        chosen = chosen if start is None else start.recipe
        TrainingRun(chosen, spec, folder, here, start).train_to_end()
    return folder


def describe_run(
    recipe: str,
    data: str | None = None,
    output: Path | str | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    device: str | None = None,
    load_start: LoadStart = load_backbone,
) -> list[str]:
    """What `train` with the same arguments would load, draw, hold and take, one line each; nothing is written.

    Under torchrun every process calls this, since they take the step that is measured together.

    Raises:
        InputError: as `train`.
    """
    with _group_on(device) as here:
        chosen = _agreed_recipe(recipe, settings)
        folder = Path(output) if output else default_folder(chosen.name)
        prepare_device(here)
        return [*warnings_of(chosen), *dry_run.describe_run(chosen, _data_of(chosen, data), folder, here, load_start)]


@contextlib.contextmanager
def _group_on(device: str | None) -> Iterator[torch.device]:
    """The group of processes, each on its device; one that lacks the device tells the others."""
    with told_to_others():
        own = pick_device(device)
    with process_group(own) as here:
        yield here


def _agreed_recipe(name: str, settings: Mapping[str, Any] | None) -> Recipe:
    """The recipe with its settings, which must be the same in all processes."""
    chosen = load_recipe(name, settings)
    agree(chosen.as_dict(), "the recipe with its settings")
    return chosen


def _data_of(recipe: Recipe, data: str | None) -> str:
    """The Data SPEC to train on."""
    if spec := data or recipe.data:
        return spec
    raise InputError(f"recipe {recipe.name} names no data; say --data FOLDER, a data set's name or mini")
