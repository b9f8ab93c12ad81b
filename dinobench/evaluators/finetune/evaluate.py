"""Fine-tuning of the whole network on a labeled set (paper, section 4.1 and Table 6; DeiT's transfer protocol)."""

from __future__ import annotations

import copy
import dataclasses
import math
from pathlib import Path
from typing import Any

import torch

from dinobench.data.transforms import EvaluationTransform, evaluation_transform
from dinobench.evaluators.base import EvaluationContext, NothingKeptError, Scores
from dinobench.evaluators.common import checkpoint
from dinobench.evaluators.common.accuracies import add_accuracy, save_predictions
from dinobench.evaluators.common.held_out import hold_out
from dinobench.evaluators.finetune.augmentation import TrainAugmentation
from dinobench.evaluators.finetune.batches import Normalizer, Order, make_order
from dinobench.evaluators.finetune.classifier import build_classifier
from dinobench.evaluators.finetune.loop import PRECISIONS, FineTuning, Machine, Progress, Sets
from dinobench.evaluators.finetune.randaugment import parse_rand_augment
from dinobench.evaluators.finetune.scoring import Crops, predict
from dinobench.evaluators.finetune.settings import Settings
from dinobench.evaluators.finetune.shared import is_synchronized
from dinobench.models.loading.load_plan import describe
from dinobench.models.networks.backbone import Preprocessing
from dinobench.models.networks.batch_norm import has_batch_norm
from dinobench.runtime.console import announce
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path
from dinobench.runtime.precision import check_precision
from dinobench.runtime.processes import process_group, rank, world_size
from dinobench.runtime.seeds import seed_everything
from dinobench.runtime.settings import hashed_form

WEIGHTS = "finetuned.pth"
_RESIZE = 256 / 224  # shorter side before the center crop, over the crop's side


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """Fine-tune the context's model on the train split and score it on the test split.

    Metrics: `top1` and `top5` after the last epoch, `best_top1` and `best_epoch` (from 1), chosen on the test images as
    the authors' code does, or on `held_out` training images where the recipe keeps some. Started again with the same
    output folder, an interrupted run goes on where its checkpoint was written. In a group of processes (torchrun) each
    takes its share of every batch and of the test images; the scores are the same in all.

    Raises:
        InputError: unlabeled or unreadable images, splits of different classes, a recipe or a checkpoint that does not
            fit, or a loss that is not finite.
    """
    with process_group(context.device) as device:
        recipe = context.settings
        preprocessing = sized_preprocessing(context.model.preprocessing, recipe.image_size)
        sets = _open_sets(context, recipe)
        if context.rescoring:
            return _score_again(context, recipe, sets, preprocessing, device)
        run = _prepare_run(context, recipe, sets, preprocessing, device)
        _announce_run(context, recipe, run.order)
        with context.clock.phase("fine-tuning"):
            path, resume = context.output / checkpoint.NAME, recipe.resume
            done = run.run(path, _checkpoint_identity(context, recipe, sets), resume=resume)
        scores = _build_scores(context, recipe, run, done)
        if context.compiled:
            scores.warnings.append("compile=true changes nothing here: it is for frozen networks")
        if rank() == 0:
            if recipe.save_weights:
                scores.files.append(str(_save_weights(context, preprocessing, run.scored_model())))
            scores.temporary.append(path)
        return scores


def _score_again(
    context: EvaluationContext[Settings],
    recipe: Settings,
    sets: Sets,
    preprocessing: Preprocessing,
    device: torch.device,
) -> Scores:
    """What the kept network says of a part of the test images; nothing is trained."""
    assert context.rescoring is not None
    path = context.rescoring.kept / WEIGHTS
    if not path.is_file():
        raise NothingKeptError(
            f"it keeps no {WEIGHTS}, so no image is scored again without training; score with --set save_weights=true"
        )
    model = build_classifier(copy.deepcopy(context.model.backbone), len(sets.train.classes), recipe)
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["model"])
    except Exception as error:  # a damaged file raises whatever its bytes lead to
        raise InputError(
            f"cannot read {path}: it is damaged ({type(error).__name__}); score the model again"
        ) from error
    test = sets.test.subset(context.scored_rows(len(sets.test)))
    crops = Crops(test, _test_transform(preprocessing), context.batch_size, context.workers)
    normalize = Normalizer(preprocessing, device, channels_last=recipe.channels_last)
    found = predict(model.to(device), crops, normalize, len(sets.train.classes), device)
    scores, labels = Scores({}), torch.from_numpy(test.labels.copy())
    add_accuracy(scores, "top1", [found], labels)
    add_accuracy(scores, "top5", [found], labels, top=5)
    save_predictions(scores, context.predictions_file, test.names, labels, found, test.classes)
    return scores


def sized_preprocessing(native: Preprocessing, size: int) -> Preprocessing:
    """The model's own, at the recipe's size."""
    return dataclasses.replace(native, size=size, resize=int(size * _RESIZE)) if size else native


def _open_sets(context: EvaluationContext[Settings], recipe: Settings) -> Sets:
    train, test = context.dataset(recipe.train_split), context.dataset(recipe.test_split)
    for images in (train, test):
        if not len(images) or not images.labeled:
            raise InputError(f"{images.name} has no images, or some without label; fine-tuning needs a label for each")
    if train.classes != test.classes:
        counts = f"{train.name} has {len(train.classes)} and {test.name} {len(test.classes)}"
        raise InputError(f"the splits' classes differ in number, name or order ({counts}); make them equal")
    if not recipe.held_out:
        return Sets(train, test)
    kept, held = hold_out(train.labels, recipe.held_out, context.seed)
    if not len(held):
        raise InputError(f"{train.name} has one image per class, none to hold out; use --set held_out=0.0")
    return Sets(train.subset(kept), test, train.subset(held))


def _prepare_run(
    context: EvaluationContext[Settings],
    recipe: Settings,
    sets: Sets,
    preprocessing: Preprocessing,
    device: torch.device,
) -> FineTuning:
    check_precision(context.precision, PRECISIONS)
    order = make_order(
        len(sets.train),
        recipe.batch_size,
        recipe.repeats,
        context.seed,
        even=recipe.mixes,
        processes=world_size(),
    )
    if has_batch_norm(context.model.backbone):
        _refuse_single_images(order.batch // world_size(), recipe.forward_batch)
    seed_everything(context.seed)  # of the head's weights, the same in every process
    model = build_classifier(copy.deepcopy(context.model.backbone), len(sets.train.classes), recipe)
    return FineTuning(
        model,
        recipe,
        sets,
        order,
        train_augmentation(recipe, preprocessing),
        _test_transform(preprocessing),
        Normalizer(preprocessing, device, channels_last=recipe.channels_last),
        Machine(device, context.batch_size, context.workers, context.precision),
    )


def _refuse_single_images(images: int, forward_batch: int) -> None:
    """Refuse pieces of one image of a step's `images`, of which batch norm has no variance."""
    size = math.ceil(images / math.ceil(images / forward_batch))
    if images % size == 1 or size == 1:
        raise InputError(
            f"forward_batch = {forward_batch} leaves one image of a step's {images} alone, and batch norm needs two; "
            "choose another forward_batch"
        )


def train_augmentation(recipe: Settings, preprocessing: Preprocessing) -> TrainAugmentation:
    """What happens to a training image, its gaps filled with the mean color."""
    red, green, blue = (round(255 * value) for value in preprocessing.mean)
    rand_augment = parse_rand_augment(recipe.auto_augment, (red, green, blue))
    return TrainAugmentation(preprocessing.size, recipe.crop_scale, recipe.flip, rand_augment)


def _test_transform(preprocessing: Preprocessing) -> EvaluationTransform:
    return evaluation_transform(
        preprocessing.size, preprocessing.resize, preprocessing.interpolation, preprocessing.mean, preprocessing.std
    )


def _announce_run(context: EvaluationContext[Settings], recipe: Settings, order: Order) -> None:
    announce(
        f"{context.task}: {recipe.optimizer}, learning rate {recipe.lr:g} (as used: scaled for the "
        f"recipe's batch, not again for another) at batch {order.batch}, "
        f"{recipe.epochs} epochs of {order.steps_per_epoch} steps"
    )


def _checkpoint_identity(context: EvaluationContext[Settings], recipe: Settings, sets: Sets) -> dict[str, Any]:
    """What a checkpoint must share with the run that resumes it."""
    return {
        "classes": len(sets.train.classes),
        "model": context.model.sha256,
        "seed": context.seed,
        "precision": context.precision,
        "processes": world_size(),
        "forward_batch": context.batch_size,
        **hashed_form(recipe),
        **{f"data of {split}": manifest.sha256 for split, manifest in context.manifests.items()},
    }


def _build_scores(context: EvaluationContext[Settings], recipe: Settings, run: FineTuning, done: Progress) -> Scores:
    test = run.sets.test
    labels = torch.from_numpy(test.labels.copy())
    scores = Scores({}, images={"train": _train_images(run.sets), "val": len(test)})
    add_accuracy(scores, "top1", [done.predictions], labels, seed=context.seed)
    add_accuracy(scores, "top5", [done.predictions], labels, top=5, seed=context.seed)
    add_accuracy(scores, "best_top1", [done.best_predictions], labels, seed=context.seed)
    scores.metrics["best_epoch"] = done.best_epoch
    scores.details = {
        "history": done.history,
        "best_epoch_chosen_on": run.sets.selection,
        "lr_after_scaling": recipe.lr,
        "batch": run.order.batch,
        "steps_per_epoch": run.order.steps_per_epoch,
    }
    if run.order.batch != recipe.batch_size:
        line = f"batches of {run.order.batch} in place of {recipe.batch_size}: there are no more training images"
        scores.warnings.append(line)
        scores.not_comparable.append(line)
    if run.order.batch > recipe.forward_batch and has_batch_norm(run.model):
        scores.warnings.append(
            f"batch norm saw at most {recipe.forward_batch} images (forward_batch) of each step's {run.order.batch}; "
            "another forward_batch gives another figure"
        )
    if has_batch_norm(run.model):
        _note_batch_norm(run, scores)
    if rank() == 0:
        path = context.predictions_file
        save_predictions(scores, path, test.names, labels, done.predictions, test.classes)
    return scores


def _note_batch_norm(run: FineTuning, scores: Scores) -> None:
    """How many processes share the images of a step moves the figure of a network with batch norm."""
    if world_size() == 1:
        return
    scores.deviations["processes"] = world_size()
    if not is_synchronized(run.model):
        scores.warnings.append(
            f"each of {world_size()} processes has batch norm over its own images, because torch synchronizes it "
            "on CUDA alone; the figure is another one than by one process"
        )


def _train_images(sets: Sets) -> int:
    return len(sets.train) + (0 if sets.held_out is None else len(sets.held_out))


def _save_weights(context: EvaluationContext[Settings], preprocessing: Preprocessing, model: torch.nn.Module) -> Path:
    """The scored network and its head, with what loading it takes, so that the file serves as a model SPEC."""
    path, start = context.output / WEIGHTS, context.model
    arguments = describe(start.architecture, start.family, start.backbone, preprocessing)
    with atomic_path(path) as temporary:
        torch.save({"model": model.state_dict(), "args": arguments}, temporary)
    return path
