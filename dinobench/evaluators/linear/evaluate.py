"""Linear classification of frozen features (paper, Table 2; released eval_linear)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinobench.data.content import digest_of_files
from dinobench.data.dataset import ImageSet
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.accuracies import add_accuracy, save_predictions
from dinobench.evaluators.common.held_out import hold_out
from dinobench.evaluators.common.labeled_features import (
    LabeledFeatures,
    labeled_features,
    require_labels,
    require_same_classes,
    skipped_line,
    stored_matrix,
)
from dinobench.evaluators.common.ranking.per_query import add_share
from dinobench.evaluators.linear.epochs import Epoch, augmented_epochs, cached_epochs
from dinobench.evaluators.linear.head_file import load_head, save_head
from dinobench.evaluators.linear.heads import LinearHead
from dinobench.evaluators.linear.probe import LabeledRows, Probe
from dinobench.evaluators.linear.settings import Settings
from dinobench.features.names import parse_feature
from dinobench.metrics.classification import top_classes
from dinobench.models.networks.backbone import Backbone
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import barrier, rank
from dinobench.runtime.settings import hashed_form

TOP = 5
HEAD = "head.safetensors"
WIDE = 768  # of ViT-B, the narrowest network that the paper scores on class token and mean patch
GRID = "the paper sweeps the learning rate per model without giving the values; this grid is dinobench's"


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """Top-1 of a linear classifier, trained here or read from a file (setting `head`).

    Metrics: `top1` and `top5` of the head chosen on images held out of the training split, after the last epoch;
    `top1_best` of the best head at its best epoch on the validation split itself, as the released code reports.
    """
    settings = dataclasses.replace(context.settings, features=_feature_names(context))
    if context.rescoring and not settings.head:
        settings = dataclasses.replace(settings, head=str(context.rescoring.kept / HEAD))
    if settings.head:
        return _score_file(context, settings)
    val = labeled_features(context, "val", "+".join(settings.features))
    sets = _training_sets(context, settings, val)
    scale = settings.batch_size / 256
    probe = Probe(
        {name: rows.shape[1] for name, rows in sets.val.features.items()},
        len(val.classes),
        [rate * scale for rate in settings.lrs],
        settings.epochs,
        context.device,
        context.seed,
    )
    state = context.output / "probe.pth"
    if not settings.resume and rank() == 0:
        state.unlink(missing_ok=True)
    barrier()
    with context.clock.phase("training"):
        probe.train(sets.epochs, sets.val, sets.held_out, state, _probe_identity(context, settings), sets.left_out)
    return _build_scores(context, settings, probe, sets, val)


@dataclasses.dataclass(frozen=True)
class _Sets:
    epochs: Epoch
    val: LabeledRows
    held_out: LabeledRows | None
    images: dict[str, int]
    warnings: list[str]
    skipped: Callable[[], str] = lambda: ""
    left_out: dict[int, str] = dataclasses.field(default_factory=dict)


def _feature_names(context: EvaluationContext[Settings]) -> tuple[str, ...]:
    """The features to train on or score, with the usual one of the network where the setting says "auto"."""
    own, _ = usual_feature(context.model.architecture, context.model.backbone)
    return tuple(dict.fromkeys(own if name == "auto" else name for name in context.settings.features))


def usual_feature(architecture: str, backbone: Backbone) -> tuple[str, str]:
    """What "auto" takes for a network, and the rule with its source."""
    if not architecture.startswith("vit_"):
        return "cls", "auto takes the pooled output of a network that is not a vision transformer (DINO, appendix F.2)"
    if backbone.dim >= WIDE:
        return "cls+mean", (
            f"auto takes class token and mean patch from a width of {WIDE} on, that of ViT-B (DINO, appendix F.2; "
            "DINOv2's and DINOv3's released heads of ViT-g and ViT-7B)"
        )
    blocks = min(4, backbone.depth)
    rule = f"auto takes the class tokens of the last {blocks} blocks below a width of {WIDE} (DINO, appendix F.2)"
    return "+".join(f"cls.{layer}" for layer in range(blocks, 0, -1)), rule


def _note_features(context: EvaluationContext[Settings], scores: Scores, features: Sequence[str]) -> None:
    """Which features were taken, and by which rule where the setting says "auto"."""
    scores.details["features"] = list(features)
    feature, rule = usual_feature(context.model.architecture, context.model.backbone)
    if "auto" in context.settings.features and feature in features:
        scores.details["features_rule"] = f"{feature}: {rule}; this network's width is {context.model.backbone.dim}"


def _training_sets(context: EvaluationContext[Settings], settings: Settings, val: LabeledFeatures) -> _Sets:
    make = _cached_sets if settings.cached else _augmented_sets
    return make(context, settings, val)


def _cached_sets(context: EvaluationContext[Settings], settings: Settings, val: LabeledFeatures) -> _Sets:
    train = labeled_features(context, "train", "+".join(settings.features))
    require_same_classes(train, val)
    kept, held = _split_labels(train.labels.numpy(), settings.held_out, context.seed)
    names = settings.features
    labels = train.labels[torch.from_numpy(kept)]
    epochs = cached_epochs(train.matrix, kept, labels, names, settings.batch_size, context.seed)
    held_rows = _labeled_rows(train, names, held) if len(held) else None
    images = {"train": len(train.labels), "val": len(val.labels)}
    return _Sets(epochs, _labeled_rows(val, names), held_rows, images, [s for s in (train.skipped, val.skipped) if s])


def _augmented_sets(context: EvaluationContext[Settings], settings: Settings, val: LabeledFeatures) -> _Sets:
    images = context.dataset("train")
    if images.classes != val.classes:
        raise InputError(f"train has {len(images.classes)} classes and val {len(val.classes)}, and they differ")
    require_labels(context, images)
    kept, held = _split_labels(images.labels, settings.held_out, context.seed)
    left_out: dict[int, str] = {}
    names = settings.features
    columns = tuple(dict.fromkeys(column for name in names for column in parse_feature(name)))
    epochs = augmented_epochs(
        context.extractor(columns),
        images.subset(kept),
        names,
        settings.batch_size,
        context.seed,
        forward_batch=min(context.batch_size, settings.batch_size),
        workers=context.workers,
        skip_unreadable=settings.unreadable == "skip",
        left_out=left_out,
    )
    counts = {"train": len(images), "val": len(val.labels)}
    held_rows, unread = _held_out_rows(context, images.subset(held), names) if len(held) else (None, {})

    def skipped() -> str:
        """Known once every image has been looked at."""
        rows = {
            **{int(kept[row]): why for row, why in left_out.items()},
            **{int(held[row]): why for row, why in unread.items()},
        }
        return skipped_line(images, dict(sorted(rows.items())))

    warnings = [val.skipped] if val.skipped else []
    return _Sets(epochs, _labeled_rows(val, names), held_rows, counts, warnings, skipped, left_out)


def _split_labels(labels: NDArray[np.int64], share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return hold_out(labels, share, seed) if share else (np.arange(len(labels)), np.arange(0))


def _held_out_rows(
    context: EvaluationContext[Settings], images: ImageSet, names: Sequence[str]
) -> tuple[LabeledRows, dict[int, str]]:
    """Features and labels, and a line for each image that cannot be read."""
    matrix = stored_matrix(context, None, images, "+".join(names))
    if matrix.unreadable and context.settings.unreadable != "skip":
        raise InputError(next(iter(matrix.unreadable.values())))
    features = {name: matrix.only(name).tensor() for name in names}
    return LabeledRows(features, torch.from_numpy(images.labels[matrix.rows])), matrix.unreadable


def _labeled_rows(split: LabeledFeatures, names: Sequence[str], rows: NDArray[np.int64] | None = None) -> LabeledRows:
    chosen = np.arange(len(split.labels)) if rows is None else rows
    features = {name: split.matrix.only(name).take(chosen) for name in names}
    return LabeledRows(features, split.labels[torch.from_numpy(chosen)])


def _probe_identity(context: EvaluationContext[Settings], settings: Settings) -> dict[str, Any]:
    """What a probe's state must agree on to be resumed."""
    names = ("features", "rates", "epochs", "batch", "held_out", "cached")  # as earlier states have them
    data = {split: manifest.sha256 for split, manifest in context.manifests.items()}
    form = hashed_form(settings)
    own = {name: form[name] for name in names}
    return {"model": context.model.identity, "precision": context.precision, "seed": context.seed, **data, **own}


def _build_scores(
    context: EvaluationContext[Settings], settings: Settings, probe: Probe, sets: _Sets, val: LabeledFeatures
) -> Scores:
    warnings = [line for line in (*sets.warnings, sets.skipped()) if line]
    scores = Scores({}, images=sets.images, warnings=warnings, not_comparable=list(warnings))
    last = probe.progress.val[-1]
    choose_by = last if sets.held_out is None else probe.progress.held_out[-1]
    chosen = int(choose_by.argmax())
    feature, place = probe.named(chosen)
    head = probe.heads[feature].head(place)
    add_share(scores, "top1_best", probe.progress.best.double().numpy())
    scores.details |= {
        "chosen": {"feature": feature, "rate": settings.lrs[place], "by": "held_out" if sets.held_out else "val"},
        "grid": _head_rows(probe, settings.lrs),
        "grid_source": GRID,
    }
    ranked = _add_head_scores(scores, head, sets.val.features[feature], val)
    _save_answers(context, settings, scores, ranked, val)
    _note_features(context, scores, settings.features)
    save_head(context.output / HEAD, head, feature, val.classes)
    scores.files.append(str(context.output / HEAD))
    if sets.held_out is None:
        scores.warnings.append("held_out = 0: the head was chosen on the validation images themselves")
    return scores


def _head_rows(probe: Probe, rates: Sequence[float]) -> list[dict[str, Any]]:
    """One row per head: what it was and how it fared."""
    rows = []
    for number in range(probe.progress.val.shape[1]):
        feature, place = probe.named(number)
        curve = probe.progress.val[:, number]
        row = {"feature": feature, "rate": rates[place], "last": float(curve[-1]), "best": float(curve.max())}
        row["best_epoch"] = int(curve.argmax()) + 1
        if len(probe.progress.held_out):
            row["held_out"] = float(probe.progress.held_out[-1, number])
        rows.append(row)
    return rows


def _score_file(context: EvaluationContext[Settings], settings: Settings) -> Scores:
    path, model = Path(settings.head), context.model
    file = load_head(path)
    asked = next((name for name in context.settings.features if name != "auto"), "")
    feature = file.feature_for(asked, settings.features[0], model.backbone.dim)
    head, order = file.concatenated(feature, settings.head_order, model.family)
    val = labeled_features(context, "val", feature, tested=True)
    rows = val.matrix.only(feature).tensor()
    if rows.shape[1] != head.weight.shape[1]:
        raise InputError(
            f"{path} reads {head.weight.shape[1]} numbers per image, but feature {feature} of {model.name} has "
            f"{rows.shape[1]}; name the head's feature with --set features=..."
        )
    if len(head.weight) != len(val.classes):
        raise InputError(f"{path} knows {len(head.weight)} classes, but the data have {len(val.classes)}")
    scores = Scores(
        {}, images={"val": len(val.labels)}, details={"head": str(path), "feature": feature, "order": order}
    )
    scores.deviations["head_digest"] = digest_of_files([path])
    _note_features(context, scores, [feature])
    scores.warnings += [val.skipped] if val.skipped else []
    scores.not_comparable += scores.warnings
    head, lines = file.rows.in_order_of(head, val.classes)
    scores.warnings += lines
    ranked = _add_head_scores(scores, head, rows, val)
    scores.metrics["top1_best"], scores.values["top1_best"] = scores.metrics["top1"], scores.values["top1"]
    _save_answers(context, settings, scores, ranked, val)
    return scores


def _add_head_scores(scores: Scores, head: LinearHead, rows: Tensor, val: LabeledFeatures) -> Tensor:
    """Add top-1 and top-5; the ranked classes (M, 5)."""
    on_cpu = LinearHead(head.weight.cpu(), head.bias.cpu())
    ranked = top_classes(on_cpu.scores(rows.cpu()), TOP)
    for top in (1, TOP):
        add_accuracy(scores, f"top{top}", [ranked], val.labels, top)
    return ranked


def _save_answers(
    context: EvaluationContext[Settings], settings: Settings, scores: Scores, ranked: Tensor, val: LabeledFeatures
) -> None:
    if settings.predictions:
        save_predictions(scores, context.predictions_file, val.names, val.labels, ranked, val.classes)
