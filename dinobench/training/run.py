"""A training run, from recipe and data to a run directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.device import pick_device, prepare_device
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import agree, from_first, process_group
from dinobench.training.build import build_learner
from dinobench.training.recipe_files import load_recipe
from dinobench.training.run_folder import default_folder, refuse_held
from dinobench.training.source import open_source
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
    with process_group(pick_device(device)) as here:
        chosen = load_recipe(recipe, settings)
        agree(chosen.digest(), "the recipe with its settings")
        spec = data or chosen.data
        if not spec:
            raise InputError(f"recipe {chosen.name} names no data; say --data FOLDER, a data set's name or mini")
        folder = Path(output) if output else from_first(lambda: default_folder(chosen.name), "run directory")
        if not resume:
            refuse_held(folder)
        prepare_device(here)
        start = open_start(chosen, folder, load_start)
        if start is not None:
            agree(start.loaded.identity, "the network that init names")
            chosen = start.recipe
        TrainingRun(chosen, spec, folder, here, start).train_to_end()
    return folder


def describe_run(
    recipe: str, data: str | None, settings: Mapping[str, Any] | None = None, load_start: LoadStart = load_backbone
) -> list[str]:
    """What a run would load, draw and do, one line each; nothing is written.

    Raises:
        InputError: as `train`.
    """
    chosen = load_recipe(recipe, settings)
    spec = data or chosen.data
    if not spec:
        raise InputError(f"recipe {chosen.name} names no data; say --data FOLDER, a data set's name or mini")
    start = open_start(chosen, Path("a run to come"), load_start)
    device = torch.device("cpu")
    source = open_source(chosen if start is None else start.recipe, spec, device)
    learner = build_learner(chosen if start is None else start.recipe, device, start)
    sizes = {name: sum(each.numel() for each in network.parameters()) for name, network in
             (("student", learner.student), ("teacher", learner.teacher))}  # fmt: skip
    bytes_held = 4 * (4 * sizes["student"] + sizes["teacher"])  # weights, gradients, two moments; the teacher's weights
    return [
        *(["all weights: drawn"] if start is None else start.notes),
        f"{source.data['images']} images of {spec}: {chosen.epochs} epochs of {source.plan.steps_per_epoch} steps",
        f"probe: {'none' if source.probe is None else source.probe.measure}",
        f"memory of weights, gradients and AdamW's moments: {bytes_held / 1e9:.2f} GB, activations not counted",
    ]
