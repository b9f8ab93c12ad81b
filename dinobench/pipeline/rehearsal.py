"""Rehearsals: each row of a table by drawn weights in its released layout, on a few drawn images of every data set.

What is drawn lies in `drawn/` of the output: `drawn/NAME` has the images of a data set, `drawn/weights` the weights,
one model at a time.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dinobench.cards import ModelCard, TaskCard
from dinobench.data.open import EMBEDDED
from dinobench.models.loading.settings import ModelSettings
from dinobench.pipeline.masks import MaskRequest, record_masks
from dinobench.pipeline.matrix import MatrixJob
from dinobench.pipeline.model import REHEARSED
from dinobench.pipeline.run import evaluate
from dinobench.pipeline.settings import RunSettings
from dinobench.results.records import RunRecord
from dinobench.runtime.cache import built_folder
from dinobench.runtime.settings import fields_of

BRIEF: Mapping[str, Any] = {
    "batch_size": 4,
    "forward_batch": 4,
    "epochs": 1,
    "repeats": 1,
    "warm_up": 0,
    "lrs": [0.01],
    "image_size": 96,
    "pictures": False,
}
"""Settings that make each task short, where a task, the model or the run has them."""
BRIEF_TRAINING: Mapping[str, Any] = {
    "batch_size": 4,
    "epochs": 1,
    "min_lr": 0.0,  # a recipe's own may lie above the peak of so small a batch
    "global_size": 96,
    "local_size": 48,
    "out_dim": 256,
    "queue": 64,
    "knn_every": 0,
    "on_collapse": "continue",
}
BRIEF_SUPERVISED: Mapping[str, Any] = {"lr": 1e-5, "min_lr": 0.0, "warmup_lr": 0.0}
"""A rate for batches of a thousand images leaves nothing finite of a network after two steps of four."""
MASKS = "masks"
"""Protocol of what is scored from masks that another program writes."""


@dataclass(frozen=True)
class Rehearsal:
    """Where a rehearsal writes, and by which cards.

    Attributes:
        output: folder of the records.
        settings: of the user, before `BRIEF`.
        tasks: by name.
        tasks_dir, models_dir: folders with further cards.
    """

    output: Path
    settings: Mapping[str, Any]
    tasks: Mapping[str, TaskCard]
    tasks_dir: Path | None = None
    models_dir: Path | None = None

    @property
    def drawn(self) -> Path:
        """Folder of drawn images and weights."""
        return self.output / "drawn"

    def data_spec(self, dataset: str) -> str:
        """Where a data set lies: drawn, or embedded as it is."""
        return dataset if dataset in EMBEDDED else str(self.drawn / dataset)


def rehearse_model(
    rehearsal: Rehearsal, card: ModelCard, jobs: Sequence[MatrixJob], show: Callable[[RunRecord], None]
) -> list[RunRecord]:
    """Run the jobs of one row's model with weights that are drawn, or trained for a few steps where none are released.

    Raises:
        InputError: weights that cannot be drawn, or a lone job's bad input.
    """
    cards = [rehearsal.tasks[job.task] for job in jobs]
    draw_data(rehearsal.drawn, {each.dataset for each in cards} | _others_of(cards, jobs))
    if any(job.protocol == MASKS for job in jobs):
        return [_record_drawn_masks(rehearsal, card, show)]
    weights = _brief_training(rehearsal, card) if not card.released and card.recipe else _drawn_weights(rehearsal, card)
    records = evaluate(
        ",".join(job.name for job in jobs),
        str(weights),
        ",".join(f"{each}={rehearsal.data_spec(each)}" for each in sorted({task.dataset for task in cards})),
        None,
        rehearsal.output,
        brief_settings(cards, rehearsal.settings),
        tasks_dir=rehearsal.tasks_dir,
        models_dir=rehearsal.models_dir,
        name=f"{REHEARSED}{card.name}",
        stands_for=card.name,
        report=show,
    )
    _discard(weights)
    return records


def draw_data(folder: Path, datasets: Iterable[str]) -> None:
    """A few images of each data set in its true layout, in a folder of its name, where they are not there yet."""
    from dinobench.data.registry import get_twin
    from dinobench.data.twins._drawing import few_images

    for dataset in sorted(set(datasets) - set(EMBEDDED)):
        with few_images():
            built_folder(folder / dataset, get_twin(dataset).write)


def brief_settings(cards: Iterable[TaskCard], settings: Mapping[str, Any]) -> dict[str, Any]:
    """`BRIEF` as far as something has such a setting, with the user's on top."""
    kinds = [RunSettings, ModelSettings, *(card.settings_type for card in cards)]
    known = {name for kind in kinds for name in fields_of(kind)}
    return {**{name: value for name, value in BRIEF.items() if name in known}, **settings}


def brief_training(recipe: str) -> dict[str, Any]:
    """`BRIEF_TRAINING` as far as the recipe reads it."""
    from dinobench.training.recipe_checks import idle_settings
    from dinobench.training.recipe_files import load_recipe

    idle = idle_settings(load_recipe(recipe))
    return {name: value for name, value in BRIEF_TRAINING.items() if name not in idle}


def _others_of(cards: Iterable[TaskCard], jobs: Iterable[MatrixJob]) -> set[str]:
    """Data sets that protocols learn whitening from."""
    settings = [card.protocol(job.protocol).settings for card, job in zip(cards, jobs, strict=True)]
    return {name for each in settings if (name := getattr(each, "region_whitening", ""))}


def _drawn_weights(rehearsal: Rehearsal, card: ModelCard) -> Path:
    """The file of drawn weights in the layout of the card's, written where it is not there yet."""
    from dinobench.models.loading.drawn_file import write_drawn

    zipped = urlsplit(card.weights).path.endswith(".zip") and card.family != "simclr"
    path = rehearsal.drawn / "weights" / f"{card.name}{'.zip' if zipped else '.pth'}"
    if not path.is_file():
        write_drawn(path, card.family, card.architecture, layout=card.key_layout, seed=_seed_of(card))
    return path


def _seed_of(card: ModelCard) -> int:
    """A seed of the card's own: two cards of one architecture must not have the same weights, which are one run."""
    return zlib.crc32(card.name.encode())


def _brief_training(rehearsal: Rehearsal, card: ModelCard) -> Path:
    """A run of the card's recipe over a few steps, or the file that its supervised training writes."""
    folder, data = rehearsal.drawn / "weights" / card.name, rehearsal.drawn / "imagenet"
    draw_data(rehearsal.drawn, {"imagenet"})
    if "@" not in card.recipe:
        from dinobench.training.run import train

        return train(card.recipe, str(data), folder, settings=brief_training(card.recipe))
    task = rehearsal.tasks[card.recipe.partition("@")[0]]
    settings = brief_settings([task], {**BRIEF_SUPERVISED, **rehearsal.settings})
    (record,) = evaluate(card.recipe, f"random:{card.architecture}", str(data), None, folder, settings)
    return folder / next(name for name in record.files if name.endswith((".pth", ".safetensors")))


def _discard(weights: Path) -> None:
    """Make room for the next model's."""
    top = next((each for each in (weights, *weights.parents) if each.parent.name == "weights"), weights)
    if top.is_dir():
        shutil.rmtree(top)
    else:
        top.unlink()


def _record_drawn_masks(rehearsal: Rehearsal, card: ModelCard, show: Callable[[RunRecord], None]) -> RunRecord:
    """The record of masks that keep every object where the first frame has it."""
    data, masks = rehearsal.drawn / "davis", rehearsal.drawn / "masks"
    for sequence in sorted((data / "Annotations" / "480p").iterdir()):
        frames = sorted(sequence.glob("*.png"))
        (masks / sequence.name).mkdir(parents=True, exist_ok=True)
        for frame in frames:
            shutil.copyfile(frames[0], masks / sequence.name / frame.name)
    record = record_masks(MaskRequest(masks, str(data), card.name, rehearsal.output, rehearsal=True))
    show(record)
    return record
