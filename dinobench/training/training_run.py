"""The loop of a training run: steps, epochs, checkpoints, and the way back where a guard watches."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from dinobench.runtime.console import notice
from dinobench.runtime.device import kind_of
from dinobench.runtime.errors import InputError, RunFailedError
from dinobench.runtime.processes import agree, any_process, barrier, look_for_failures, rank, world_size
from dinobench.runtime.signals import StoppedError, StopSignals
from dinobench.runtime.trackers import open_tracker
from dinobench.training import checkpoints
from dinobench.training.batches import Normalize, load_views, step_seed, worker_count
from dinobench.training.build import RecipeSchedules, build_learner
from dinobench.training.diagnostics import divergence_error
from dinobench.training.feature_watch import FeatureWatch
from dinobench.training.journal import RunJournal
from dinobench.training.recipe import Recipe
from dinobench.training.run_folder import hold_run_folder, made_folder
from dinobench.training.shared_state import read_by_first
from dinobench.training.source import open_source
from dinobench.training.start import RunStart
from dinobench.training.step import Learner, StepSettings
from dinobench.training.step_log import StepLog
from dinobench.training.step_means import StepMeans
from dinobench.training.verdict import judge_epoch


class TrainingRun:
    """One run: its networks, its place in the schedule, its directory.

    Args:
        recipe, spec: what to train, on which data.
        folder: the run directory; continued if it holds a checkpoint.
        device: of this process.
        start: the network that it begins from, if any.
    """

    def __init__(
        self, recipe: Recipe, spec: str, folder: Path, device: torch.device, start: RunStart | None = None
    ) -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        self.source = open_source(recipe, spec, device)
        self.plan, self.data = self.source.plan, self.source.data
        agree(self.data["manifest"], "the digest of the training data", "give all processes the same images")
        self.features = FeatureWatch(self.source.probe, guarded=start is not None and recipe.guard != "off")
        self.schedules = RecipeSchedules(recipe, self.plan.steps_per_epoch)
        self.learner: Learner = build_learner(recipe, device, start)
        self.log = StepLog(recipe, self.plan.steps_per_epoch, self.learner.objective.figures())
        self.start, self.step = start, 0
        self.kl: float | None = None

    def train_to_end(self) -> None:
        """Train to the end of the schedule.

        Raises:
            StoppedError: by a signal, after a checkpoint.
        """
        with hold_run_folder(made_folder(self.folder)), StopSignals() as self.signals:
            self._continue_run()
            self.journal = self._open_journal()
            try:
                self._announce_run()
                if self.step == 0:
                    self._measure_untrained()
                self._train()
                if self.features.answers:
                    self.journal.say(self.features.verdict())
            finally:
                self.journal.close()

    def _open_journal(self) -> RunJournal:
        speaking = rank() == 0
        kind = self.recipe.log if speaking else ""
        tracker = open_tracker(kind, self.folder, self.folder.name, vars(self.recipe))
        return RunJournal(self.folder, self.plan.steps, self.step, speaking=speaking, tracker=tracker)

    def _continue_run(self) -> None:
        """Go on from the first process's checkpoint, if there is one."""
        path = self.folder / checkpoints.LAST
        state = read_by_first(lambda: checkpoints.load(path) if path.exists() else None, self.device)
        if state is None:
            return
        checkpoints.restore(state, self.learner, self.recipe, self.data, path)
        if rank() == 0 and (line := self.source.changed_line(path)):
            notice(line)
        self.step = state["iteration"]
        self.features.restore(state)
        self.log.restore(state.get("log", {}))
        progress = state.get("progress", {})
        if progress:
            if self.start is not None and not self.recipe.reschedule:
                self.start.refuse_other(progress["start"], self.folder)
            self.kl = progress["kl"]
            self.schedules.set_head_epochs(progress["head_epochs"])
        if self.features.guard.ended:
            raise InputError(f"the run in {self.folder} was ended by its guard; give another --output, or a lower lr")

    def _announce_run(self) -> None:
        begins = f"continues at step {self.step}" if self.step else "starts"
        self.journal.say(
            f"{self.recipe.name} {begins}: {self.data['images']} images of {self.data['spec']}, "
            f"{self.recipe.epochs} epochs of {self.plan.steps_per_epoch} steps, run directory {self.folder}"
        )
        for note in () if self.start is None or self.step else self.start.notes:
            self.journal.say(note)

    def _measure_untrained(self) -> None:
        """What the features must pass: the accuracy before the first step."""
        features = self.features
        features.measure_start(self.learner.teacher.backbone)
        if features.measures:
            self.journal.write({"step": 0, "epoch": 0, "kind": "epoch", **features.figures(features.untrained)})
        if features.guarded:
            self.journal.say(f"the start is the floor: {features.guard.floor}")
            if features.guard.is_blind:
                self.journal.say("warning: so low a floor shows no fall; raise knn_images, or use guard=labels")
            self._write(checkpoints.BEST)

    def _train(self) -> None:
        workers = worker_count(self.recipe.workers, self.device)
        pinned = kind_of(self.device).pins_memory
        views = load_views(self.source.views, self.source.requests(self.step), workers=workers, pin_memory=pinned)
        normalize = Normalize(self.recipe.mean, self.recipe.std, self.device)
        self.log.start_clock(self.step)
        self.saved = self.log.logged
        while self.step < self.plan.steps:
            torch.manual_seed(step_seed(self.recipe.seed, self.step))
            batch = [[normalize(group) for group in next(views)] for _ in range(self.recipe.accumulation)]
            self.log.add(self.learner.step(batch, self._settings_of(self.step)))
            self.step += 1
            self.journal.step()
            self._watched(self._after_step)

    def _settings_of(self, step: int) -> StepSettings:
        settings = self.schedules.at(step)
        return dataclasses.replace(settings, lr=settings.lr * self.features.guard.rate)

    def _watched(self, task: Callable[[], None]) -> None:
        """Run `task`; where a guard watches, its failure takes the run back to the best checkpoint."""
        try:
            task()
        except RunFailedError as error:
            if not self.features.guarded or self.features.guard.ended:
                raise
            self.log.forget()
            self._take_back(str(error))
            self._save_checkpoint()

    def _take_back(self, reason: str) -> None:
        """Put the best checkpoint's weights back and halve the rates.

        Raises:
            RunFailedError: the run fell too often.
        """
        path, features = self.folder / checkpoints.BEST, self.features
        state = read_by_first(lambda: checkpoints.load(path), self.device)
        assert state is not None
        checkpoints.restore(state, self.learner, self.recipe, self.data, path)
        features.take_back()
        falls = features.guard.falls
        self.journal.say(
            f"warning: fall {falls}: {reason}; back to the best checkpoint ({features.best:.2f}%), rates halved"
        )
        if features.guard.ended:
            self._save_checkpoint()
            raise RunFailedError(f"stopped after {falls} falls; {path} holds the best weights; {features.verdict()}")

    def _after_step(self) -> None:
        """Log, end the epoch, save and stop, where it is time."""
        ends_epoch, late, stop = self.step % self.plan.steps_per_epoch == 0, False, self._asked_to_stop()
        if ends_epoch:
            self.learner.end_epoch()
            self.learner.average_statistics()
        if ends_epoch or self.step % self.recipe.log_every == 0:
            self.log.write_line(self.journal, self.step, self._settings_of(self.step - 1))
            late = any_process(self.log.logged - self.saved > 60 * self.recipe.save_minutes, "time to save")
        if ends_epoch:
            self._end_epoch()
        if ends_epoch or late or stop:
            self.learner.average_statistics()
            self.log.read(self.step)  # a loss that is not finite stops the run before anything is saved
            self._save_checkpoint()
            self.saved = time.monotonic()
        if stop and self.step < self.plan.steps:
            number = self.signals.number or signal.SIGTERM  # which came to another process
            raise StoppedError(number, self.step)

    def _asked_to_stop(self) -> bool:
        """Whether a signal came to any process; several ask each other about once a second."""
        look_for_failures()
        if world_size() == 1:
            return self.signals.number != 0
        return self.step % self.log.ask_every == 0 and any_process(self.signals.number != 0, "signal to stop")

    def _end_epoch(self) -> None:
        """Measure, say and judge the epoch; keep the best weights, or take the run back."""
        epoch, means = self.step // self.plan.steps_per_epoch, self.log.take_epoch()
        figures = means.named(self.log.figures)
        accuracy = self._measure_epoch(epoch)
        probed = self.features.figures(accuracy)
        summary: dict[str, Any] = {"step": self.step, "epoch": epoch, "kind": "epoch", **figures, **probed}
        said = "  ".join(f"{key} {value:.4f}" for key, value in figures.items())
        probe = "" if accuracy is None else f"  {self.source.neighbors}-NN {accuracy:.2f}%"
        self.journal.say(f"epoch {epoch}/{self.recipe.epochs}  {said}{probe}")
        self._judge_epoch(epoch, means, summary)
        self._end_of_head_epochs(epoch, means)
        self.journal.write(summary)
        if accuracy is None:
            return
        if self.features.is_best(accuracy):
            self._write(checkpoints.BEST)
        elif fall := self.features.fall(accuracy, last=epoch == self.recipe.epochs):
            self._take_back(fall)

    def _measure_epoch(self, epoch: int) -> float | None:
        last = epoch == self.recipe.epochs
        if not self.features.measures or not (last or epoch % self.recipe.knn_every == 0):
            return None
        return self.features.measure(self.learner.teacher.backbone)

    def _end_of_head_epochs(self, epoch: int, means: StepMeans) -> None:
        """Let the backbone learn once KL(teacher, student) has settled."""
        before, self.kl = self.kl, means.kl
        if epoch >= self.schedules.head_epochs or before is None:
            return
        if abs(means.kl - before) < self.recipe.head_settled * abs(before):
            self.schedules.set_head_epochs(epoch)
            self.journal.say(f"KL has settled at {means.kl:.4f}: from here on the backbone learns too")

    def _judge_epoch(self, epoch: int, means: StepMeans, summary: dict[str, Any]) -> None:
        """Name what is wrong; a collapse stops the run before its checkpoint is written, or keeps the one before."""
        found = judge_epoch(
            self.recipe,
            epoch,
            means,
            micro_batch=self.plan.micro_batch,
            accuracy=summary.get("knn"),
            untrained=None if self.start is not None else self.features.untrained,
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

    def _save_checkpoint(self) -> None:
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
            best=self.features.best,
            untrained=self.features.untrained,
            processes=world_size(),
            log=self.log.as_dict(),
            **self._continued(),
        )
        checkpoints.save(state, self.folder / name)

    def _continued(self) -> dict[str, Any]:
        """What the checkpoint of a run that continues a network says beside the others."""
        progress = {"head_epochs": self.schedules.head_epochs, "kl": self.kl, "guard": self.features.guard.as_dict()}
        if self.start is None:
            return {"progress": {**progress, "start": ""} if self.recipe.head_epochs else {}}
        return {
            "described": self.start.arguments(self.learner.teacher.backbone),
            "progress": {**progress, "start": self.start.loaded.sha256},
        }
