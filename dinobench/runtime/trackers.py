"""Trackers of experiments, each by its own library: TensorBoard, trackio, Weights & Biases, MLflow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from dinobench.runtime.libraries import require_library

PROJECT = "dinobench"
TrackerKind = Literal["", "tensorboard", "trackio", "wandb", "mlflow"]
"""What the setting `log` takes; empty for no tracker."""


class Tracker(Protocol):
    """Takes the figures of one run."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add figures by name at a step."""

    def finish(self) -> None:
        """Write what is left and end the run."""


def open_tracker(kind: TrackerKind, folder: Path, run: str, settings: Mapping[str, Any]) -> Tracker | None:
    """The tracker of one run; None where `kind` is empty.

    Args:
        kind: of OPENERS.
        folder: of the run, for trackers that write files and are told no other place by their own variables.
        run: its name.
        settings: of the run, shown beside its figures.

    Raises:
        InputError: the tracker's library is not installed.
    """
    refuse_missing_tracker(kind)
    return OPENERS[kind](folder, run, {name: str(value) for name, value in settings.items()}) if kind else None


def refuse_missing_tracker(kind: TrackerKind) -> None:
    """InputError where the tracker's library is not installed; trackers, libraries and extras go by the same names."""
    if kind:
        require_library(kind, f"log={kind}", kind)


def numbers_of(line: Mapping[str, Any]) -> dict[str, float]:
    """The finite figures of a line of a log, its step left out."""
    numbers = {name: value for name, value in line.items() if isinstance(value, int | float) and name != "step"}
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}


class TensorBoardTracker:
    """Events in the folder `tensorboard` of the run."""

    def __init__(self, folder: Path, run: str, settings: Mapping[str, str]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / "tensorboard"))
        self._writer.add_text("settings", "\n".join(f"    {name} = {value}" for name, value in settings.items()))

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add figures by name at a step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def finish(self) -> None:
        """Write what is left and end the run."""
        self._writer.close()


class TrackioTracker:
    """A run of trackio, which keeps them where $TRACKIO_DIR says and shows them by `trackio show`."""

    def __init__(self, folder: Path, run: str, settings: Mapping[str, str]) -> None:
        import trackio

        self._run = trackio.init(PROJECT, name=run, config=dict(settings), resume="allow", embed=False)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add figures by name at a step."""
        self._run.log(dict(values), step=step)

    def finish(self) -> None:
        """Write what is left and end the run."""
        self._run.finish()


class WandbTracker:
    """A run of Weights & Biases; $WANDB_MODE=offline keeps it on this machine."""

    def __init__(self, folder: Path, run: str, settings: Mapping[str, str]) -> None:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(project=PROJECT, name=run, config=dict(settings), dir=str(folder))

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add figures by name at a step."""
        self._run.log(dict(values), step=step)

    def finish(self) -> None:
        """Write what is left and end the run."""
        self._run.finish()


class MlflowTracker:
    """A run of MLflow, kept where $MLFLOW_TRACKING_URI says."""

    def __init__(self, folder: Path, run: str, settings: Mapping[str, str]) -> None:
        import mlflow

        self._mlflow = mlflow
        mlflow.set_experiment(PROJECT)
        self._run = mlflow.start_run(run_name=run)
        mlflow.log_params({name: value[:_LONGEST_VALUE] for name, value in settings.items()})

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add figures by name at a step."""
        self._mlflow.log_metrics(dict(values), step=step)

    def finish(self) -> None:
        """Write what is left and end the run."""
        self._mlflow.end_run()


_LONGEST_VALUE = 500  # letters that every version of MLflow takes as a parameter
OPENERS: Mapping[str, Callable[[Path, str, Mapping[str, str]], Tracker]] = {
    "tensorboard": TensorBoardTracker,
    "trackio": TrackioTracker,
    "wandb": WandbTracker,
    "mlflow": MlflowTracker,
}
