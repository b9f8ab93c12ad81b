"""The way of a score: from what the user typed to records on disk."""

from dinobench.pipeline.plan import Job, Plan, make_plan
from dinobench.pipeline.run import evaluate, refuse_missing_model

__all__ = ["Job", "Plan", "evaluate", "make_plan", "refuse_missing_model"]
