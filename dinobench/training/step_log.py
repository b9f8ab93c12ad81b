"""The steps' figures on their way to log.jsonl: a line every few steps, the means of an epoch at its end."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

from dinobench.runtime.processes import gather_objects
from dinobench.training.journal import RunJournal
from dinobench.training.recipe import Recipe
from dinobench.training.step import StepMeasures, StepSettings
from dinobench.training.step_means import PendingSteps, StepMeans, epoch_means


class StepLog:
    """What was measured since the last line, and the lines of the present epoch.

    Args:
        recipe: gives the batch, and how many steps a line covers.
        steps_per_epoch: of the run.
        figures: the means that the objective has.
    """

    def __init__(self, recipe: Recipe, steps_per_epoch: int, figures: tuple[str, ...]) -> None:
        self.recipe, self.steps_per_epoch, self.figures = recipe, steps_per_epoch, figures
        self.pending, self.epoch_lines = PendingSteps(), list[StepMeans]()
        self.start_clock(0)

    def start_clock(self, step: int) -> None:
        """Begin to measure the pace, after so many finished steps; several processes ask each other at each step."""
        self.logged, self.logged_step, self.ask_every = time.monotonic(), step, 1

    def add(self, measured: StepMeasures) -> None:
        """One more step."""
        self.pending.add(measured)

    def read(self, done: int) -> None:
        """Bring the figures over from the device, `done` steps being finished.

        Raises:
            RunFailedError: a loss is not finite.
        """
        self.pending.read(done)

    def write_line(self, journal: RunJournal, step: int, settings: StepSettings) -> None:
        """Write the means since the last line, `step` steps being finished; `settings` are those of the last one."""
        self.read(step)
        means = self.pending.take_means()
        self.epoch_lines.append(means)
        now, steps = time.monotonic(), step - self.logged_step
        journal.write(
            {
                "step": step,
                "epoch": round(step / self.steps_per_epoch, 6),
                **means.named(self.figures),
                "grad_norm": means.grad_norm,
                "lr": settings.lr,
                "weight_decay": settings.weight_decay,
                "momentum": settings.momentum,
                "teacher_temp": settings.temperature,
                "images_per_second": steps * self.recipe.batch_size / max(now - self.logged, 1e-9),
                "steps": means.steps,
            }
        )
        seconds = max(gather_objects(now - self.logged, "pace")) / max(1, steps)
        self.ask_every = max(1, min(self.recipe.log_every, int(1 / max(seconds, 1e-9))))
        self.logged, self.logged_step = now, step

    def take_epoch(self) -> StepMeans:
        """The means over the epoch's lines, which are let go."""
        means = epoch_means(self.epoch_lines)
        self.epoch_lines = []
        return means

    def forget(self) -> None:
        """Let go of all that was measured and not yet written, as a run that is taken back does."""
        self.pending, self.epoch_lines = PendingSteps(), []

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return {"pending": self.pending.rows, "epoch": [dataclasses.asdict(line) for line in self.epoch_lines]}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Put back what `as_dict` gave."""
        self.pending = PendingSteps([list(row) for row in kept.get("pending", [])])
        self.epoch_lines = [StepMeans(**line) for line in kept.get("epoch", [])]
