"""A training run, from recipe and data to a run directory."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from dinobench.models.loading.spec import load_backbone
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
from dinobench.training.guard import StartGuard
from dinobench.training.journal import RunJournal
from dinobench.training.recipe import Recipe
from dinobench.training.recipe_files import load_recipe
from dinobench.training.run_folder import default_folder, hold_run_folder, made_folder, refuse_held
from dinobench.training.shared_state import read_by_first
from dinobench.training.source import open_source
from dinobench.training.start import LoadStart, RunStart, open_start
from dinobench.training.step import Learner, StepSettings
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
        self.probes = from_first(lambda: self.source.probe is not None, "probe")
        self.schedules = RecipeSchedules(recipe, self.plan.steps_per_epoch)
        self.learner: Learner = build_learner(recipe, device, start)
        self.start, self.guard = start, StartGuard()
        self.kl: float | None = None
        self.answers = list[bool]()
        self.step, self.best = 0, -1.0
        self.untrained: float | None = None
        self.pending, self.epoch_lines = PendingSteps(), list[StepMeans]()

    def train_to_end(self) -> None:
        """Train to the end of the schedule.

        Raises:
            StoppedError: by a signal, after a checkpoint.
        """
        with hold_run_folder(made_folder(self.folder)), StopSignals() as self.signals:
            self._continue_run()
            self.journal = RunJournal(self.folder, self.plan.steps, self.step, speaking=rank() == 0)
            try:
                self._announce_run()
                if self.step == 0:
                    self._measure_untrained()
                self._train()
                if self.guarded and self.answers:
                    self.journal.say(self._verdict(self.answers))
            finally:
                self.journal.close()

    def _continue_run(self) -> None:
        """Go on from the first process's checkpoint, if there is one."""
        path = self.folder / checkpoints.LAST
        state = read_by_first(lambda: checkpoints.load(path) if path.exists() else None, self.device)
        if state is None:
            return
        checkpoints.restore(state, self.learner, self.recipe, self.data, path)
        self.step, self.best, self.untrained = state["iteration"], state["best"], state.get("untrained")
        progress = state.get("progress", {})
        if progress:
            self._refuse_other_start(progress)
            self.guard, self.kl = StartGuard(**progress["guard"]), progress["kl"]
            self.schedules.set_head_epochs(progress["head_epochs"])
        if self.guard.ended:
            raise InputError(f"the run in {self.folder} was ended by its guard; give another --output, or a lower lr")
        log = state.get("log", {})
        self.pending = PendingSteps([list(row) for row in log.get("pending", [])])
        self.epoch_lines = [StepMeans(**line) for line in log.get("epoch", [])]

    def _refuse_other_start(self, progress: Mapping[str, Any]) -> None:
        if self.start is not None and progress["start"] != self.start.loaded.sha256 and not self.recipe.reschedule:
            raise InputError(
                f"the run in {self.folder} began from other weights than init = {self.recipe.init} holds now; "
                "give those, another --output, or --set reschedule=true"
            )

    def _announce_run(self) -> None:
        begins = f"continues at step {self.step}" if self.step else "starts"
        self.journal.say(
            f"{self.recipe.name} {begins}: {self.data['images']} images of {self.data['spec']}, "
            f"{self.recipe.epochs} epochs of {self.plan.steps_per_epoch} steps, run directory {self.folder}"
        )
        for note in () if self.start is None or self.step else self.start.notes:
            self.journal.say(note)

    def _measure_untrained(self) -> None:
        """What the features must pass: the k-NN accuracy before the first step."""
        if self.probes:
            self.untrained = self._probe_teacher()
            self.journal.write({"step": 0, "epoch": 0, "kind": "epoch", "knn": self.untrained})
        if self.guarded:
            self.guard.start = self.guard.kept = self.answers
            self.best = 0.0 if self.untrained is None else self.untrained
            self.journal.say(f"the start is the floor: {self.best:.2f}%")
            self._write(checkpoints.BEST)

    @property
    def guarded(self) -> bool:
        """Whether features below the start's are taken back."""
        return self.start is not None and self.probes and self.recipe.guard != "off"

    def _probe_teacher(self) -> float:
        """k-NN accuracy of the teacher, measured in the first process, for which the others wait."""
        probe, backbone = self.source.probe, self.learner.teacher.backbone
        if not self.guarded:
            return from_first(lambda: 0.0 if probe is None else probe(backbone), "k-NN probe")
        self.answers = from_first(lambda: [] if probe is None else probe.correct(backbone), "k-NN probe")
        return 100 * sum(self.answers) / len(self.answers)

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
            self.pending.add(self.learner.step(batch, self._settings_of(self.step)))
            self.step += 1
            self.journal.step()
            self._watched(self._after_step)

    def _watched(self, task: Callable[[], None]) -> None:
        """Run `task`; where a guard watches, its failure takes the run back to the best checkpoint."""
        try:
            task()
        except RunFailedError as error:
            if not self.guarded or self.guard.ended:
                raise
            self.pending, self.epoch_lines = PendingSteps(), []
            self._take_back(str(error))
            self._save_checkpoint()

    def _take_back(self, reason: str) -> None:
        """Put the best checkpoint's weights back and halve the rates.

        Raises:
            RunFailedError: the run fell too often.
        """
        path = self.folder / checkpoints.BEST
        state = read_by_first(lambda: checkpoints.load(path), self.device)
        assert state is not None
        checkpoints.restore(state, self.learner, self.recipe, self.data, path)
        self.guard.falls += 1
        self.answers = list(self.guard.kept)
        self.journal.say(
            f"warning: fall {self.guard.falls}: {reason}; back to the best checkpoint ({self.best:.2f}%), rates halved"
        )
        if self.guard.ended:
            self._save_checkpoint()
            raise RunFailedError(
                f"stopped after {self.guard.falls} falls; {path} holds the best weights; "
                + self._verdict(self.guard.kept)
            )

    def _verdict(self, answers: list[bool]) -> str:
        """Start and end of the run, paired."""
        probe = self.source.probe
        return self.guard.verdict(answers, from_first(lambda: "" if probe is None else probe.measure, "probe"))

    def _after_step(self) -> None:
        """Log, end the epoch, save and stop, where it is time."""
        ends_epoch, late, stop = self.step % self.plan.steps_per_epoch == 0, False, self._asked_to_stop()
        if ends_epoch:
            self.learner.end_epoch()
            self.learner.average_statistics()
        if ends_epoch or self.step % self.recipe.log_every == 0:
            self._log_means()
            late = any_process(self.logged - self.saved > 60 * self.recipe.save_minutes, "time to save")
        if ends_epoch:
            self._end_epoch()
        if ends_epoch or late or stop:
            self.learner.average_statistics()
            self.pending.read(self.step)  # a loss that is not finite stops the run before anything is saved
            self._save_checkpoint()
            self.saved = time.monotonic()
        if stop and self.step < self.plan.steps:
            number = self.signals.number or signal.SIGTERM  # which came to another process
            raise StoppedError(number, self.step)

    def _settings_of(self, step: int) -> StepSettings:
        settings = self.schedules.at(step)
        return dataclasses.replace(settings, lr=settings.lr * self.guard.rate)

    def _asked_to_stop(self) -> bool:
        """Whether a signal came to any process; several ask each other about once a second."""
        look_for_failures()
        if world_size() == 1:
            return self.signals.number != 0
        return self.step % self.ask_every == 0 and any_process(self.signals.number != 0, "signal to stop")

    def _log_means(self) -> None:
        """Write the means since the last line."""
        self.pending.read(self.step)
        means = self.pending.take_means()
        self.epoch_lines.append(means)
        now, settings = time.monotonic(), self._settings_of(self.step - 1)
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
        accuracy = self._measure_epoch(epoch)
        if accuracy is not None:
            summary["knn"] = accuracy
        said = "  ".join(f"{key} {value:.4f}" for key, value in figures.items())
        probe = "" if accuracy is None else f"  {self.source.neighbors}-NN {accuracy:.2f}%"
        self.journal.say(f"epoch {epoch}/{self.recipe.epochs}  {said}{probe}")
        self._judge_epoch(epoch, means, summary)
        self._end_of_head_epochs(epoch, means)
        self.journal.write(summary)
        if accuracy is not None and accuracy > self.best:
            self.best = accuracy
            if self.guarded:
                self.guard.kept = self.answers
            self._write(checkpoints.BEST)
        elif self.guarded and accuracy is not None:
            self._guard(accuracy, last=epoch == self.recipe.epochs)

    def _guard(self, accuracy: float, *, last: bool) -> None:
        """Take the run back where its features have fallen beyond chance, and at its end where they fell at all."""
        fall = self.guard.fall(self.answers)
        if not fall and last and self.untrained is not None and accuracy < self.untrained:
            fall = f"the end at {accuracy:.2f}% is below the start"
        if fall:
            self._take_back(fall)

    def _end_of_head_epochs(self, epoch: int, means: StepMeans) -> None:
        """Let the backbone learn once KL(teacher, student) has settled."""
        before, self.kl = self.kl, means.kl
        if epoch >= self.schedules.head_epochs or before is None:
            return
        if abs(means.kl - before) < self.recipe.head_settled * abs(before):
            self.schedules.set_head_epochs(epoch)
            self.journal.say(f"KL has settled at {means.kl:.4f}: from here on the backbone learns too")

    def _measure_epoch(self, epoch: int) -> float | None:
        last = epoch == self.recipe.epochs
        if not self.probes or not (last or epoch % self.recipe.knn_every == 0):
            return None
        return self._probe_teacher()

    def _judge_epoch(self, epoch: int, means: StepMeans, summary: dict[str, Any]) -> None:
        """Name what is wrong; a collapse stops the run before its checkpoint is written, or keeps the one before."""
        found = judge_epoch(
            self.recipe,
            epoch,
            means,
            micro_batch=self.plan.micro_batch,
            accuracy=summary.get("knn"),
            untrained=None if self.start is not None else self.untrained,
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
            best=self.best,
            untrained=self.untrained,
            processes=world_size(),
            log={"pending": self.pending.rows, "epoch": [dataclasses.asdict(line) for line in self.epoch_lines]},
            **self._continued(),
        )
        checkpoints.save(state, self.folder / name)

    def _continued(self) -> dict[str, Any]:
        """What the checkpoint of a run that continues a network says beside the others."""
        progress = {"head_epochs": self.schedules.head_epochs, "kl": self.kl, "guard": self.guard.as_dict()}
        if self.start is None:
            return {"progress": {**progress, "start": ""} if self.recipe.head_epochs else {}}
        return {
            "described": self.start.arguments(self.learner.teacher.backbone),
            "progress": {**progress, "start": self.start.loaded.sha256},
        }
