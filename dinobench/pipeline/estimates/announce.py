"""The expected time of a long task, said before it begins."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from dinobench.pipeline.plan import Job
from dinobench.runtime.console import notice

if TYPE_CHECKING:
    from dinobench.models.loading.loaded import LoadedBackbone

LONG = 60.0  # seconds from which a task is worth a line
FEW_IMAGES = 500  # that no task is long on, as a rule; they are not measured
_SECONDS = 1.0  # for the measurement


def announce(job: Job, model: LoadedBackbone) -> None:
    """Say on stderr how long a job will take, where that is more than a minute.

    A few images are worked on to tell, where no dry run measured it before. A task never fails by its announcement.
    """
    with contextlib.suppress(Exception):
        seconds = _expected_seconds(job, model)
        if seconds is not None and seconds > LONG:
            from dinobench.pipeline.estimates.estimate import magnitude

            notice(
                f"{job.card.name}@{job.protocol.name}: about {magnitude(seconds)} expected, less where features are "
                "kept from before"
            )


def _expected_seconds(job: Job, model: LoadedBackbone) -> float | None:
    from dinobench.pipeline.estimates.data_facts import look_at
    from dinobench.pipeline.estimates.estimate import cost_of, estimate_of
    from dinobench.pipeline.estimates.measure import shape_of
    from dinobench.pipeline.estimates.measured import Measured
    from dinobench.pipeline.estimates.probe import measure_jobs
    from dinobench.runtime.processes import world_size

    data = look_at(job)
    cost = cost_of(job, shape_of(model), data)
    if cost.passes < FEW_IMAGES or (job.data and not data.facts.here):
        return None
    known = Measured()
    measure_jobs(model, [(job, data)], known, _SECONDS)
    return estimate_of(job, cost, data, known).total / world_size()
