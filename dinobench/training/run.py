"""A training run, from recipe and data to a run directory."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dinobench.runtime.device import pick_device, prepare_device
from dinobench.runtime.errors import InputError, RunFailedError
from dinobench.runtime.processes import (
    agree,
    any_process,
    barrier,
    from_first,
    gather_objects,
    look_for_failures,
    process_group,
    rank,
    world_size,
)
from dinobench.runtime.signals import StoppedError, StopSignals
from dinobench.training import checkpoints
from dinobench.training.batches import Normalize, load_views, step_seed, worker_count
from dinobench.training.build import RecipeSchedules, build_learner
from dinobench.training.diagnostics import divergence_error
from dinobench.training.journal import RunJournal
from dinobench.training.recipe import Recipe
from dinobench.training.recipe_files import load_recipe
from dinobench.training.run_folder import default_folder, hold_run_folder, made_folder, refuse_held
from dinobench.training.shared_state import read_by_first
from dinobench.training.source import open_source
from dinobench.training.step import Learner
from dinobench.training.step_means import PendingSteps, StepMeans, epoch_means
from dinobench.training.verdict import judge_epoch


def train(
    recipe: str = "mini",
    data: str | None = None,
    output: Path | str | None = None,
    *,
    resume: bool = True,
    settings: Mapping[str, Any] | None = None,
    device: str | None = None,
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
        TrainingRun(chosen, spec, folder, here).train_to_end()
    return folder


class TrainingRun:
    """One run: its networks, its place in the schedule, its directory.

    Args:
        recipe, spec: what to train, on which data.
        folder: the run directory; continued if it holds a checkpoint.
        device: of this process.
    """

    def __init__(self, recipe: Recipe, spec: str, folder: Path, device: torch.device) -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        self.source = open_source(recipe, spec, device)
        self.plan, self.data = self.source.plan, self.source.data
        agree(self.data["manifest"], "the digest of the training data", "give all processes the same images")
        self.probes = from_first(lambda: self.source.probe is not None, "probe")
        self.schedules = RecipeSchedules(recipe, self.plan.steps_per_epoch)
        self.learner: Learner = build_learner(recipe, device)
        self.step, self.best = 0, -1.0
        self.untrained: float | None = None
        self.pending, self.epoch_lines = PendingSteps(), list[StepMeans]()

    def train_to_end(self) -> None:
        """Train to the end of the schedule.

        Raises:
            StoppedError: by a signal, after a checkpoint.
        """
        with hold_run_folder(made_folder(self.folder)), StopSignals() as self.signals:
            self._continue()
            self.journal = RunJournal(self.folder, self.plan.steps, self.step, speaking=rank() == 0)
            try:
                self._announce()
                if self.step == 0:
                    self._measure_untrained()
                self._train()
            finally:
                self.journal.close()

    def _continue(self) -> None:
        """Go on from the first process's checkpoint, if there is one."""
        path = self.folder / checkpoints.LAST
        state = read_by_first(lambda: checkpoints.load(path) if path.exists() else None, self.device)
        if state is None:
            return
        checkpoints.restore(state, self.learner, self.recipe, self.data, path)
        self.step, self.best, self.untrained = state["iteration"], state["best"], state.get("untrained")
        log = state.get("log", {})
        self.pending = PendingSteps([list(row) for row in log.get("pending", [])])
        self.epoch_lines = [StepMeans(**line) for line in log.get("epoch", [])]

    def _announce(self) -> None:
        begins = f"continues at step {self.step}" if self.step else "starts"
        self.journal.say(
            f"{self.recipe.name} {begins}: {self.data['images']} images of {self.data['spec']}, "
            f"{self.recipe.epochs} epochs of {self.plan.steps_per_epoch} steps, run directory {self.folder}"
        )

    def _measure_untrained(self) -> None:
        """What the features must pass: the k-NN accuracy before the first step."""
        if self.probes:
            self.untrained = self._probe()
            self.journal.write({"step": 0, "epoch": 0, "kind": "epoch", "knn": self.untrained})

    def _probe(self) -> float:
        """k-NN accuracy of the teacher, measured in the first process, for which the others wait."""
        probe = self.source.probe
        return from_first(lambda: 0.0 if probe is None else probe(self.learner.teacher.backbone), "k-NN probe")

    def _train(self) -> None:
        workers = worker_count(self.recipe.workers, self.device)
        views = load_views(
            self.source.views, self.source.requests(self.step), workers=workers, pin_memory=self.device.type == "cuda"
        )
        normalize = Normalize(self.recipe.mean, self.recipe.std, self.device)
        self.saved = self.logged = time.monotonic()
        self.logged_step, self.ask_every = self.step, 1
        while self.step < self.plan.steps:
            torch.manual_seed(step_seed(self.recipe.seed, self.step))
            batch = [[normalize(group) for group in next(views)] for _ in range(self.recipe.accumulation)]
            self.pending.add(self.learner.step(batch, self.schedules.at(self.step)))
            self.step += 1
            self.journal.step()
            self._after_step()

    def _after_step(self) -> None:
        """Log, end the epoch, save and stop, where it is time."""
        ends_epoch, late, stop = self.step % self.plan.steps_per_epoch == 0, False, self._asked_to_stop()
        if ends_epoch:
            self.learner.end_epoch()
            self.learner.average_statistics()
        if ends_epoch or self.step % self.recipe.log_every == 0:
            self._log()
            late = any_process(self.logged - self.saved > 60 * self.recipe.save_minutes, "time to save")
        if ends_epoch:
            self._end_epoch()
        if ends_epoch or late or stop:
            self.learner.average_statistics()
            self.pending.read(self.step)  # a loss that is not finite stops the run before anything is saved
            self._save()
            self.saved = time.monotonic()
        if stop and self.step < self.plan.steps:
            number = self.signals.number or signal.SIGTERM  # which came to another process
            raise StoppedError(number, self.step)

    def _asked_to_stop(self) -> bool:
        """Whether a signal came to any process; several ask each other about once a second."""
        look_for_failures()
        if world_size() == 1:
            return self.signals.number != 0
        return self.step % self.ask_every == 0 and any_process(self.signals.number != 0, "signal to stop")

    def _log(self) -> None:
        """Write the means since the last line."""
        self.pending.read(self.step)
        means = self.pending.take_means()
        self.epoch_lines.append(means)
        now, settings = time.monotonic(), self.schedules.at(self.step - 1)
        images = (self.step - self.logged_step) * self.recipe.batch_size
        self.journal.write(
            {
                "step": self.step,
                "epoch": round(self.step / self.plan.steps_per_epoch, 6),
                **means.named(self.learner.objective.figures()),
                "grad_norm": means.grad_norm,
                "lr": settings.lr,
                "weight_decay": settings.weight_decay,
                "momentum": settings.momentum,
                "teacher_temp": settings.temperature,
                "images_per_second": images / max(now - self.logged, 1e-9),
                "steps": means.steps,
            }
        )
        seconds = max(gather_objects(now - self.logged, "pace")) / max(1, self.step - self.logged_step)
        self.ask_every = max(1, min(self.recipe.log_every, int(1 / max(seconds, 1e-9))))
        self.logged, self.logged_step = now, self.step

    def _end_epoch(self) -> None:
        epoch = self.step // self.plan.steps_per_epoch
        means = epoch_means(self.epoch_lines)
        self.epoch_lines = []
        figures = means.named(self.learner.objective.figures())
        summary: dict[str, Any] = {"step": self.step, "epoch": epoch, "kind": "epoch", **figures}
        accuracy = self._measure(epoch)
        if accuracy is not None:
            summary["knn"] = accuracy
        said = "  ".join(f"{key} {value:.4f}" for key, value in figures.items())
        probe = "" if accuracy is None else f"  {self.source.neighbors}-NN {accuracy:.2f}%"
        self.journal.say(f"epoch {epoch}/{self.recipe.epochs}  {said}{probe}")
        self._judge(epoch, means, summary)
        self.journal.write(summary)
        if accuracy is not None and accuracy > self.best:
            self.best = accuracy
            self._write(checkpoints.BEST)

    def _measure(self, epoch: int) -> float | None:
        last = epoch == self.recipe.epochs
        if not self.probes or not (last or epoch % self.recipe.knn_every == 0):
            return None
        return self._probe()

    def _judge(self, epoch: int, means: StepMeans, summary: dict[str, Any]) -> None:
        """Name what is wrong; a collapse stops the run before its checkpoint is written, or keeps the one before."""
        found = judge_epoch(
            self.recipe,
            epoch,
            means,
            micro_batch=self.plan.micro_batch,
            accuracy=summary.get("knn"),
            untrained=self.untrained,
        )
        if rank() == 0 and (found is None or not found.spoils):
            checkpoints.forget_last_good(self.folder)
        if found is None:
            return
        summary["diagnosis"] = found.name
        if found.fatal and self.recipe.on_collapse == "stop":
            self.journal.write(summary)
            raise RunFailedError(f"stopped after epoch {epoch}: {found}; the checkpoint before it is kept")
        self.journal.say(f"warning: {found}")
        if rank() == 0 and found.spoils and checkpoints.keep_last_good(self.folder):
            self.journal.say(f"the checkpoint before it is kept as {self.folder / checkpoints.LAST_GOOD}")

    def _save(self) -> None:
        epoch, rest = divmod(self.step, self.plan.steps_per_epoch)
        self._write(checkpoints.LAST)
        if rest == 0 and self.recipe.keep_every and epoch % self.recipe.keep_every == 0:
            self._write(f"checkpoint{epoch:04}.pth")
        barrier()

    def _write(self, name: str) -> None:
        """Write a checkpoint; its weights are finite.

        Raises:
            RunFailedError: some weights are not; the checkpoint before stays.
        """
        if any_process(not self.learner.is_finite(), "weights that are not finite"):
            raise divergence_error(f"some weights are not finite after step {self.step}")
        if rank() != 0:
            return
        state = checkpoints.state_of(
            self.learner,
            self.recipe,
            iteration=self.step,
            epoch=self.step // self.plan.steps_per_epoch,
            data=self.data,
            best=self.best,
            untrained=self.untrained,
            processes=world_size(),
            log={"pending": self.pending.rows, "epoch": [dataclasses.asdict(line) for line in self.epoch_lines]},
        )
        checkpoints.save(state, self.folder / name)
