"""Checkpoints: the released layout, plus what an exact resume needs.

Keys of the released code: `student` (names prefixed with "module."), `teacher`, `optimizer`, `epoch` (finished ones),
`args`, `dino_loss`. Ours beside them: `iteration` (finished steps), `recipe`, `data`, the probe's `best` and
`untrained` accuracy, the number of `processes`, and `log`: means of the epoch's lines so far and figures of the steps
since the last line; and `progress` of a run that continues a network: its guard, its start's digest and the epochs of
the head alone; and `unmerged` of a run with adapters: their parts, which `student` holds merged. All are plain
values and tensors, so that `torch.load(weights_only=True)` reads them.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dinobench.models.loading.preprocessing import default_resize
from dinobench.models.loading.wrapping import MAXIMUM_GROWTH
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path
from dinobench.runtime.settings import former_names
from dinobench.training.low_rank import adapter_state, load_merged, merged_state
from dinobench.training.recipe import Recipe, RecipeSettings
from dinobench.training.step import Learner

LAST, BEST, LAST_GOOD = "checkpoint.pth", "best.pth", "last_good.pth"
_PREFIX = "module."
_FREE = {"name", "summary", "sources", "workers", "log_every", "save_minutes", "keep_every", "knn_every",
         "knn_images", "on_collapse", "reschedule", "data"}  # fmt: skip
_LENGTH = {"epochs", "batch_size", "epoch_images"}  # what the number of steps follows from


def state_of(
    learner: Learner,
    recipe: Recipe,
    *,
    iteration: int,
    epoch: int,
    data: Mapping[str, Any],
    best: float,
    untrained: float | None = None,
    processes: int = 1,
    log: Mapping[str, Any] | None = None,
    described: Mapping[str, Any] | None = None,
    progress: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything that a resumed run needs, on the devices where it lies."""
    return {
        "student": {_PREFIX + key: value for key, value in merged_state(learner.student).items()},
        "teacher": learner.teacher.state_dict(),
        "optimizer": learner.optimizer.state_dict(),
        "epoch": epoch,
        "args": {**arguments_of(recipe), "data": str(data["spec"]), **(described or {})},
        "dino_loss": learner.objective.checkpoint_state(),
        "iteration": iteration,
        "recipe": recipe.as_dict(),
        "data": dict(data),
        "best": best,
        "untrained": untrained,
        "processes": processes,
        "log": dict(log or {}),
        "progress": dict(progress or {}),
        **({"unmerged": adapters} if (adapters := adapter_state(learner.student)) else {}),
    }


def arguments_of(recipe: Recipe) -> dict[str, Any]:
    """The names under which the released code keeps its settings, and those that scoring the weights needs."""
    architecture, _, patch = recipe.architecture.partition("/")
    return {
        "arch": architecture,
        "patch_size": int(patch) if patch else 0,
        "architecture": recipe.architecture,
        "image_size": recipe.global_size,
        "resize": default_resize(recipe.global_size),
        "in_channels": recipe.in_channels,
        "mean": list(recipe.mean),
        "std": list(recipe.std),
        "out_dim": recipe.out_dim,
        "norm_last_layer": not recipe.learn_gain,
        "use_bn_in_head": recipe.head_batch_norm,
        "momentum_teacher": recipe.momentum_teacher,
        "local_crops_number": recipe.local_crops,
        "epochs": recipe.epochs,
        "lr": recipe.lr,
        "batch_size": recipe.batch_size,
        "seed": recipe.seed,
    }


def save(state: Mapping[str, Any], path: Path) -> None:
    """Write whole or not at all."""
    with atomic_path(path) as temporary:
        torch.save(dict(state), temporary)


def keep_last_good(folder: Path) -> bool:
    """Keep a run's last checkpoint under a name that no later one takes; whether that was still to do."""
    last, good = folder / LAST, folder / LAST_GOOD
    if not last.exists() or good.exists():
        return False
    try:
        os.link(last, good)
    except OSError:  # a file system without hard links
        with atomic_path(good) as temporary:
            shutil.copyfile(last, temporary)
    return True


def forget_last_good(folder: Path) -> None:
    """Of a run that is well again: its next checkpoint is good too."""
    (folder / LAST_GOOD).unlink(missing_ok=True)


def load(path: Path, remedy: str = "give another --output") -> dict[str, Any]:
    """Read a checkpoint of ours.

    Args:
        path: the file.
        remedy: what the user may do where it is of no use.

    Raises:
        InputError: the file cannot be read, is damaged or was not written by this trainer.
    """
    try:
        path.open("rb").close()
    except OSError as error:
        raise InputError(f"cannot read checkpoint {path}: {error.strerror}; {remedy}") from error
    _refuse_bomb(path, remedy)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises whatever its bytes lead to
        raise InputError(
            f"cannot read checkpoint {path}: it is damaged ({type(error).__name__}); {_instead_of(path)}{remedy}"
        ) from error
    if not isinstance(state, dict) or not {"student", "teacher", "iteration", "recipe"} <= set(state):
        raise InputError(f"{path} is not a checkpoint of `dinobench train`; {remedy}")
    return state


def _refuse_bomb(path: Path, remedy: str) -> None:
    """InputError for an archive that unpacks to far more than its size: weights hardly compress."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return  # the reading itself says what is wrong
    if size > MAXIMUM_GROWTH * path.stat().st_size:
        raise InputError(f"{path} would unpack to {size / 1e9:.1f} GB; `dinobench train` did not write it; {remedy}")


def _instead_of(path: Path) -> str:
    """Names the best epoch's checkpoint, which is as complete as the last one, where it is there."""
    best = path.with_name(BEST)
    return f"copy {best} over it to go on from the best epoch, or " if path != best and best.is_file() else ""


def restore(state: Mapping[str, Any], learner: Learner, recipe: Recipe, data: Mapping[str, Any], path: Path) -> None:
    """Put a checkpoint's state back.

    Raises:
        InputError: the run had another recipe or other data, and the recipe does not say `reschedule`.
    """
    _refuse_changes(state, recipe, data, path)
    student = {key.removeprefix(_PREFIX): value for key, value in state["student"].items()}
    load_merged(learner.student, student, state.get("unmerged", {}))
    learner.teacher.load_state_dict(state["teacher"])
    learner.optimizer.load_state_dict(state["optimizer"])
    learner.objective.load_checkpoint_state(state["dino_loss"])


def _refuse_changes(state: Mapping[str, Any], recipe: Recipe, data: Mapping[str, Any], path: Path) -> None:
    if recipe.reschedule:
        return
    former = former_names(RecipeSettings)
    before = {former.get(key, key): value for key, value in state["recipe"].items()}
    now = recipe.as_dict()
    changed = [key for key in now if key not in _FREE and before.get(key, now[key]) != now[key]]
    if changed:
        listed = ", ".join(f"{key} {before[key]!r} -> {now[key]!r}" for key in changed)
        why = "every schedule would change" if _LENGTH.intersection(changed) else "it would not be the same run"
        raise InputError(
            f"the run in {path.parent} had other settings ({listed}); {why}: "
            "give them as they were, another --output, or --set reschedule=true"
        )
    if state["data"] != dict(data):
        raise InputError(
            f"the run in {path.parent} was trained on other data ({state['data'].get('spec')}); "
            "give the same --data, another --output, or --set reschedule=true"
        )
