"""The fine-tuning loop: train, score every epoch, save, resume to the bit."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timm.data.mixup import Mixup
from timm.data.random_erasing import RandomErasing
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.nn import functional as F

from dinobench.data.dataset import ImageSet
from dinobench.data.transforms import EvaluationTransform
from dinobench.evaluators.common import checkpoint
from dinobench.evaluators.finetune.augmentation import TrainAugmentation
from dinobench.evaluators.finetune.batches import Batch, Normalizer, Order, training_batches
from dinobench.evaluators.finetune.classifier import Classifier
from dinobench.evaluators.finetune.optimization import Schedule, build_optimizer
from dinobench.evaluators.finetune.scoring import Crops, predict
from dinobench.evaluators.finetune.settings import Settings
from dinobench.evaluators.finetune.shared import average_gradients, has_batch_norm, share_buffers, synchronized
from dinobench.metrics.classification import accuracy
from dinobench.runtime.console import announce, progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.precision import INFERENCE, autocast
from dinobench.runtime.processes import from_first, gather_objects, rank, sum_over_processes, world_size
from dinobench.runtime.seeds import seed_everything
from dinobench.runtime.signals import StoppedError, StopSignals

SAVE_SECONDS = 300.0  # between checkpoints within an epoch
PRECISIONS = (*INFERENCE, "fp16")


@dataclass(frozen=True)
class Sets:
    """Images by use; `held_out` chooses the best epoch where it is not None, else `test` does."""

    train: ImageSet
    test: ImageSet
    held_out: ImageSet | None = None

    @property
    def selection(self) -> str:
        """Which images choose the best epoch."""
        return "test" if self.held_out is None else "held_out"


@dataclass(frozen=True)
class Machine:
    """Where and how to compute: device, images per forward pass, decoding threads, "fp32", "bf16" or "fp16"."""

    device: torch.device
    batch_size: int
    workers: int
    precision: str


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        step: updates done.
        loss_sum, loss_steps: of the epoch under way.
        history: one entry per finished epoch.
        predictions: of the test images at the last finished epoch, (N, 5).
        best_epoch: counted from 1; 0 before the first.
        best_predictions: of the test images at that epoch.
    """

    step: int = 0
    loss_sum: float = 0.0
    loss_steps: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    predictions: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    best_epoch: int = 0
    best_predictions: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))


class FineTuning:
    """One run. Everything random follows from the seed and the step, so a checkpoint holds no generator."""

    def __init__(
        self,
        model: Classifier,
        recipe: Settings,
        sets: Sets,
        order: Order,
        augmentation: TrainAugmentation,
        evaluation: EvaluationTransform,
        normalize: Normalizer,
        machine: Machine,
    ) -> None:
        self.recipe, self.sets, self.order, self.machine = recipe, sets, order, machine
        self.model = synchronized(model.to(machine.device))
        self.progress = Progress()
        self._augmentation, self._normalize = augmentation, normalize
        self._crops = {
            use: Crops(images, evaluation, machine.batch_size, machine.workers)
            for use, images in (("test", sets.test), ("held_out", sets.held_out))
            if images is not None
        }
        self._optimizer = build_optimizer(self.model, recipe)
        self._schedule = Schedule(self._optimizer, recipe, order.steps_per_epoch)
        self._scaler = torch.amp.GradScaler(machine.device.type, enabled=machine.precision == "fp16")
        self._ema = ModelEmaV3(self.model, decay=recipe.ema_decay) if recipe.ema_decay else None
        self._mixup = _build_mixup(recipe, len(sets.train.classes))
        self._erasing = _build_erasing(recipe, machine.device)

    def run(self, path: Path, identity: dict[str, Any], *, resume: bool = True) -> Progress:
        """Train to the last epoch, from the checkpoint at `path` where there is one and `resume` says so.

        Raises:
            StoppedError: by a signal, after a checkpoint.
            InputError: the checkpoint belongs to another run, an image is unreadable, or the loss is not finite.
        """
        state = from_first(lambda: checkpoint.load(path, identity), "the checkpoint") if resume else None
        if state is not None:
            self._restore_state(state)
        with StopSignals() as signals:
            self._train(path, identity, signals)
        return self.progress

    def _train(self, path: Path, identity: dict[str, Any], signals: StopSignals) -> None:
        """A signal to any process stops the run after a step; all processes save when one of them finds it is time."""
        saved = time.monotonic()
        for batch in self._train_batches():
            self._accumulate_gradients(batch)
            late = time.monotonic() - saved > SAVE_SECONDS
            wishes = gather_objects((late, signals.number), f"step {batch.step}")  # all have their gradients now
            self._optimizer_step()
            number = max(number for _, number in wishes)
            if self.progress.step % self.order.steps_per_epoch == 0:
                self._finish_epoch()
            elif not number and not any(late for late, _ in wishes):
                continue
            self._save_checkpoint(path, identity)
            saved = time.monotonic()
            if number and self.progress.step < self.recipe.epochs * self.order.steps_per_epoch:
                raise StoppedError(number, self.progress.step)

    def scored_model(self) -> nn.Module:
        """The network whose figures count: the averaged one where the recipe averages."""
        return self.model if self._ema is None else self._ema.module

    def _train_batches(self) -> Iterator[Batch]:
        total = self.recipe.epochs * self.order.steps_per_epoch
        steps = range(self.progress.step, total)
        batches = training_batches(
            self.sets.train,
            self.order,
            self._augmentation,
            steps,
            rank=rank(),
            world=world_size(),
            workers=self.machine.workers,
        )
        label, images = f"fine-tuning, images of {self.recipe.epochs} epochs", self.order.batch // world_size()
        return progress(batches, label, len(steps) * images, lambda batch: len(batch.labels))

    def _accumulate_gradients(self, batch: Batch) -> None:
        """Gradients of this process's share of a step, in pieces of at most `batch_size` images."""
        seed_everything(_step_seed(self.order.seed, batch.step))
        self.model.train()
        rate = self._schedule.set(batch.step)
        images, targets = self._inputs_and_targets(batch)
        loss = torch.zeros((), device=self.machine.device)
        pieces = self._piece_count(len(images))
        for some, wanted in zip(images.tensor_split(pieces), targets.tensor_split(pieces), strict=True):
            with self._autocast_context():
                part = self._loss_of(self.model(some), wanted) * (len(some) / len(images))
            self._scaler.scale(part).backward()  # type: ignore[no-untyped-call]
            loss += part.detach()
        self.progress.loss_sum += self._finite_loss(float(loss), batch.step, rate)

    def _piece_count(self, images: int) -> int:
        """Forward passes of a step; batch norm wants two images in each."""
        pieces = math.ceil(images / self.machine.batch_size)
        return max(1, min(pieces, images // 2)) if has_batch_norm(self.model) else pieces

    def _optimizer_step(self) -> None:
        average_gradients(self.model)
        if self.recipe.clip_norm:
            self._scaler.unscale_(self._optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        if self._ema is not None:
            self._ema.update(self.model)
        self.progress.step += 1
        self.progress.loss_steps += 1

    def _inputs_and_targets(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Normalized, erased and mixed images, and their labels: classes, or shares of classes where mixed."""
        images = self._normalize(batch.pixels)
        targets = batch.labels.to(self.machine.device)
        if self._erasing is not None:
            images = self._erasing(images)
        return (images, targets) if self._mixup is None else self._mix_groups(self._mixup, images, targets)

    def _mix_groups(self, mixup: Mixup, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Each group by a draw of its own, so that the number of processes does not change what is drawn from."""
        size = self.recipe.mix_group or len(images)
        groups = zip(torch.split(images, size), torch.split(targets, size), strict=True)
        mixed, shares = zip(*(mixup(some, wanted) for some, wanted in groups), strict=True)
        return torch.cat(mixed), torch.cat(shares)

    def _loss_of(self, scores: Tensor, targets: Tensor) -> Tensor:
        smoothing = 0.0 if self._mixup is not None else self.recipe.smoothing  # mixing smooths by itself
        return F.cross_entropy(scores.float(), targets, label_smoothing=smoothing)

    def _finite_loss(self, loss: float, step: int, rate: float) -> float:
        if not math.isfinite(loss):
            raise InputError(
                f"the loss became {loss} at step {step + 1} (learning rate {rate:.2g}); use a lower --set lr="
            )
        return loss

    def _finish_epoch(self) -> None:
        done = self.progress
        share_buffers(self.model, *([] if self._ema is None else [self._ema.module]))
        epoch = len(done.history) + 1
        loss = float(sum_over_processes(torch.tensor(done.loss_sum, device=self.machine.device))) / world_size()
        entry = {"epoch": epoch, "loss": loss / done.loss_steps, "lr": self._schedule.set(done.step - 1)}
        predictions = {use: self._predict_classes(crops) for use, crops in self._crops.items()}
        entry |= {use: accuracy(predictions[use], _label_tensor(crops.images)) for use, crops in self._crops.items()}
        done.predictions = predictions["test"]
        if entry[self.sets.selection] > max((past[self.sets.selection] for past in done.history), default=-1.0):
            done.best_epoch, done.best_predictions = epoch, done.predictions
        done.history.append(entry)
        announce(f"epoch {epoch}/{self.recipe.epochs}  loss {entry['loss']:.4f}  {_epoch_line(entry)}")
        done.loss_sum, done.loss_steps = 0.0, 0

    def _predict_classes(self, crops: Crops) -> Tensor:
        classes = len(self.sets.train.classes)
        with self._autocast_context():
            return predict(self.scored_model(), crops, self._normalize, classes, self.machine.device)

    def _save_checkpoint(self, path: Path, identity: dict[str, Any]) -> None:
        if rank() == 0:
            state = {
                "model": self.model.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "scaler": self._scaler.state_dict(),
                "ema": self._ema.state_dict() if self._ema is not None else {},
                "progress": {item.name: getattr(self.progress, item.name) for item in dataclasses.fields(Progress)},
            }
            checkpoint.save(path, identity, state)

    def _restore_state(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        if self._ema is not None:
            self._ema.load_state_dict(state["ema"])
        self.progress = Progress(**state["progress"])

    def _autocast_context(self) -> torch.autocast:
        return autocast(self.machine.device, self.machine.precision, PRECISIONS)


def _epoch_line(entry: Mapping[str, float]) -> str:
    names = {"test": "top-1", "held_out": "held-out top-1"}
    return "  ".join(f"{name} {entry[use]:.2f}%" for use, name in names.items() if use in entry)


def _label_tensor(images: ImageSet) -> Tensor:
    return torch.tensor(images.labels)


def _step_seed(seed: int, step: int) -> int:
    """A seed for what is drawn while taking a step, different in every process."""
    return int(np.random.SeedSequence([seed, step, rank()]).generate_state(1)[0])


def _build_mixup(recipe: Settings, classes: int) -> Mixup | None:
    if not recipe.mixes:
        return None
    return Mixup(recipe.mixup, recipe.cutmix, label_smoothing=recipe.smoothing, num_classes=classes)


def _build_erasing(recipe: Settings, device: torch.device) -> RandomErasing | None:
    return RandomErasing(recipe.erasing, mode="pixel", device=device.type) if recipe.erasing else None
