"""Trainings as jobs: one process per device on SLURM, or on this machine, through submitit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dinobench.models.loading.spec import load_backbone
from dinobench.runtime import cluster
from dinobench.runtime.errors import RunFailedError
from dinobench.training.recipe_files import load_recipe
from dinobench.training.start import LoadStart


@dataclass(frozen=True)
class Training:
    """The arguments of `train`, called in every process of a job; pickled on the way there.

    A job that is preempted or reaches its time limit is put back in the queue, and continues its run.
    """

    recipe: str
    data: str | None
    output: Path
    settings: Mapping[str, Any]
    device: str | None
    load_start: LoadStart = load_backbone

    def __call__(self) -> str:
        """Join the job's other processes and train."""
        from submitit.helpers import TorchDistributedEnvironment

        from dinobench.training.run import train

        TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        folder = train(
            self.recipe,
            self.data,
            self.output,
            settings=self.settings,
            device=self.device,
            load_start=self.load_start,
        )
        return str(folder)

    def checkpoint(self) -> Any:
        """What submitit submits again: the same, since a run continues from its checkpoint."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def submit(training: Training, launcher: str, resources: Mapping[str, Any]) -> Any:
    """Hand the training to a cluster; its log goes to OUTPUT/jobs.

    Args:
        training: what to run; the recipe is checked here, before anything waits in a queue.
        launcher: "slurm", or "local" for processes of this machine.
        resources: submitit's, such as nodes, gpus_per_node, timeout_min (a day by default), slurm_partition;
            tasks_per_node is one per GPU by default.

    Returns:
        submitit's job.

    Raises:
        InputError: submitit is not installed, there is no such cluster here, or a resource it does not know.
    """
    load_recipe(training.recipe, training.settings)
    asked = {"tasks_per_node": resources.get("gpus_per_node", 1), **resources}
    (job,) = cluster.submit([training], launcher, training.output / "jobs", training.output.name, asked)
    return job


def outcome(job: Any) -> None:
    """Wait for a job.

    Raises:
        RunFailedError: names its log.
    """
    from submitit.core.utils import FailedJobError, UncompletedJobError

    try:
        job.results()
    except (FailedJobError, UncompletedJobError) as error:
        raise RunFailedError(f"the job failed; see {job.paths.stderr}") from error
