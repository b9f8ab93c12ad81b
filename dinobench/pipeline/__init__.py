"""The way of a score: from what the user typed to records on disk."""

from dinobench.pipeline.model import ModelRequest, load_backbone, resolve_model, wrap_module
from dinobench.pipeline.plan import Job, Plan, make_plan
from dinobench.pipeline.run import evaluate

__all__ = ["Job", "ModelRequest", "Plan", "evaluate", "load_backbone", "make_plan", "resolve_model", "wrap_module"]
