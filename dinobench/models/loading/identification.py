"""A file that no family of ours takes, known as one of timm's architectures by its tensors alone."""

from __future__ import annotations

from dataclasses import replace

from dinobench.models.key_layouts.timm_any import timm_family
from dinobench.models.loading.choices import Choice
from dinobench.models.loading.container import CheckpointContents
from dinobench.models.loading.load_plan import LoadPlan, make_plan
from dinobench.models.loading.settings import ModelSettings
from dinobench.models.loading.state_dict import flatten, unchunk, without_wrappers
from dinobench.models.loading.timm_index import candidates, kinds
from dinobench.models.loading.unexplained import refuse_shards
from dinobench.runtime.errors import InputError
from dinobench.runtime.text import first_few


def timm_plan(contents: CheckpointContents, settings: ModelSettings) -> LoadPlan | None:
    """How a file loads as the one network of timm that has its tensors; None where timm has no such network.

    Raises:
        InputError: several networks have these tensors and make other features of them; the line names them. Or the
            file holds a shard of a network.
    """
    state = unchunk(without_wrappers(flatten(contents.content)))
    refuse_shards(state)
    names = candidates(state)
    if not names:
        return None
    plan = make_plan(contents, settings, timm_family(names[0]))
    if plan.report.refusal:
        return None
    groups = kinds(names, plan.tensors) if len(names) > 1 else [list(names)]
    if len(groups) > 1:
        listed = first_few([group[0] for group in groups])
        raise InputError(
            f"its tensors are those of timm's {listed}, which make other features of them or expect other images; "
            f"name the one that it is by --set architecture=NAME"
        )
    return replace(plan, report=replace(plan.report, choices=(_choice(names), *plan.report.choices)))


def _choice(names: tuple[str, ...]) -> Choice:
    others = f", the same network as {first_few(list(names[1:]))}" if names[1:] else ""
    return Choice("architecture", names[0], f"names and shapes of the tensors are those of timm's{others}")
