"""How long a job will take, and what it needs, told before it begins, from a measurement of this machine."""

from dinobench.pipeline.estimates.estimate import Estimate, estimate_jobs, magnitude, total_of

__all__ = ["Estimate", "estimate_jobs", "magnitude", "total_of"]
