"""How a checkpoint would load: its family, what becomes of every tensor, and whether that is a whole network."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from dinobench.models.backbone import Preprocessing
from dinobench.models.build import VIT_NAME, VIT_SIZES, canonical_architecture
from dinobench.models.containers import Contents
from dinobench.models.family import Facts, Family, Layout, Network, all_families
from dinobench.models.rewriting import Rewriting
from dinobench.models.state import State, flatten, scopes, unchunk
from dinobench.runtime.errors import InputError

TEACHER = re.compile(r"teacher|target|momentum|(^|[._])ema([._]|$)|encoder_k|key_encoder|averaged")
STUDENT = re.compile(r"student|online|encoder_q|query_encoder|base_encoder")

# Why a tensor outside the backbone is left out, the first that fits its stored name.
REASONS = (
    (r"optim|(^|\.)opt\.|scaler|scheduler|callbacks|loops\.", "state of the optimiser or the loop"),
    (r"decoder", "decoder"),
    (r"queue|memory_bank", "momentum queue"),
    (r"loss|center|centre", "state of the loss"),
    (r"head|fc\b|fc\.|linear|classif|project|predict|prototype|last_layer|logits|mlp|(^|\.)bn\.", "head"),
)


@dataclass(frozen=True)
class LoadReport:
    """Every tensor of a checkpoint accounted for.

    Attributes:
        family, title: who made it.
        why: what it was recognised by.
        layout: how its tensors are named.
        architecture: the network's name.
        choices: what was picked where there was a choice, and on whose word.
        matched: stored names by the backbone's own name.
        dropped: reason by stored name.
        missing: names that the backbone needs and the file lacks.
        mismatched: "has shape ..., needs ..." by the backbone's name.
        unexpected: stored names that belong to the backbone's modules but have no place in them.
        changed: what was done to values, by the backbone's name.
        ignored: pickled objects that were not built.
        parameters: of the backbone.
    """

    family: str
    title: str
    why: str
    layout: str
    architecture: str
    choices: tuple[str, ...]
    matched: Mapping[str, tuple[str, ...]]
    dropped: Mapping[str, str]
    missing: tuple[str, ...]
    mismatched: Mapping[str, str]
    unexpected: tuple[str, ...]
    changed: Mapping[str, str]
    ignored: tuple[str, ...]
    parameters: int

    @property
    def refusal(self) -> str:
        """Why the file must not be loaded, on one line; empty if it may."""
        if self.missing:
            return f"{len(self.missing)} tensors of the backbone are missing: {_some(self.missing)}"
        if self.mismatched:
            name, how = next(iter(self.mismatched.items()))
            return f"{len(self.mismatched)} tensors of the backbone do not fit: {name} {how}"
        if self.unexpected:
            return f"{len(self.unexpected)} tensors inside the backbone have no place in it: {_some(self.unexpected)}"
        return ""


@dataclass(frozen=True)
class LoadPlan:
    """A report together with what carries it out.

    Attributes:
        tensors: by the backbone's names, values as stored or changed.
    """

    report: LoadReport
    network: Network
    tensors: State
    preprocessing: Preprocessing
    identity: Mapping[str, str] = field(default_factory=dict)


def make_plan(contents: Contents, settings: Mapping[str, Any], family: Family | None = None) -> LoadPlan:
    """Find the family of a checkpoint and account for every tensor.

    Args:
        contents: the opened file.
        settings: the user's: `weights` picks teacher or student; `heads`, `depth`, `image_size`, `resize` and
            `norm_eps` say what the tensors do not.
        family: the only one to try; by default all, the most specific first.

    Raises:
        InputError: no family fits, or the tensors of the one that does make no network.
    """
    stored = flatten(contents.content)
    state = unchunk(stored)
    if not state:
        raise InputError("the file holds no tensors; save the model's state_dict()")
    families = (family,) if family else all_families()
    for candidate in families:
        found = _recognise(candidate, state)
        if found is not None:
            return _draft(candidate, *found, state, contents, settings)
    raise InputError(
        f"no known checkpoint family fits: {len(state)} tensors such as {_some(list(state))}; "
        f"name one with --set family=NAME or describe it with --set family_file=FILE.py"
    )


def _recognise(family: Family, state: State) -> tuple[Layout, list[str], list[str]] | None:
    """The layout that fits, the prefixes it stands under, and the names that give the family away."""
    evidence = family.evidence(state)
    if evidence is None:
        return None
    for layout in family.layouts:
        prefixes = scopes(state, layout.anchors)
        if prefixes:
            return layout, prefixes, evidence
    return None


def _draft(
    family: Family,
    layout: Layout,
    prefixes: list[str],
    evidence: list[str],
    state: State,
    contents: Contents,
    settings: Mapping[str, Any],
) -> LoadPlan:
    prefix, choices = _choose(prefixes, family, str(settings.get("weights") or ""))
    rewriting = Rewriting(
        {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}, prefix
    )
    arguments = checkpoint_arguments(contents.content)
    facts = Facts(
        ("from the command line", settings),
        ("from the checkpoint", _facts_of(arguments)),
        (f"as {family.title} has it", family.facts),
    )
    for pattern, reason in family.drops:
        rewriting.drop(pattern, reason)
    layout.translate(rewriting)
    network = layout.build(rewriting, facts)
    _as_float32(rewriting)
    report = _account(family, layout, prefix, prefixes, evidence, state, contents, rewriting, network)
    report = replace(report, choices=(*choices, *(f"{name}: {note}" for name, note in facts.notes.items())))
    return LoadPlan(report, network, rewriting.tensors, _preprocessing(family, network, arguments), facts.notes)


def _choose(prefixes: list[str], family: Family, wanted: str) -> tuple[str, list[str]]:
    """One prefix of several, and how that was decided."""
    if wanted not in ("", "teacher", "student"):
        raise InputError(f"weights={wanted} is neither teacher nor student")
    roles = {prefix: _role(prefix) for prefix in prefixes}
    role = wanted or family.branch
    fitting = [prefix for prefix in prefixes if roles[prefix] == role]
    if wanted and not fitting and (len(prefixes) > 1 or roles[prefixes[0]] not in ("", wanted)):
        raise InputError(f"the file holds no {wanted} weights, only {_some([repr(prefix) for prefix in prefixes])}")
    chosen = (fitting or [prefix for prefix in prefixes if not roles[prefix]] or prefixes)[0]
    choices = [f"weights: under {chosen!r}"] if chosen else []
    if len(prefixes) > 1:
        others = ", ".join(repr(prefix) for prefix in prefixes if prefix != chosen)
        choices = [
            f"weights: {roles[chosen] or 'network'} under {chosen!r}, not {others}; weights=teacher|student changes it"
        ]
    return chosen, choices


def _role(prefix: str) -> str:
    if TEACHER.search(prefix):
        return "teacher"
    return "student" if STUDENT.search(prefix) else ""


def checkpoint_arguments(content: Mapping[Any, Any]) -> dict[str, Any]:
    """The training arguments that DINO's and our own checkpoints carry, empty for others."""
    arguments = content.get("args")
    if isinstance(arguments, argparse.Namespace):
        return vars(arguments)
    return {str(key): value for key, value in arguments.items()} if isinstance(arguments, Mapping) else {}


def _facts_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Heads, depth and native size, as far as the arguments name them."""
    architecture, patch = str(arguments.get("arch", "")), arguments.get("patch_size", 16)
    name = architecture if "/" in architecture else f"{architecture}/{patch}"
    match = VIT_NAME.fullmatch(canonical_architecture(name))
    facts = {"image_size": arguments.get("image_size"), "heads": arguments.get("num_heads")}
    if match is not None:
        size = VIT_SIZES[match[1]]
        facts = {**facts, "heads": facts["heads"] or size.heads, "depth": size.depth}
    return facts


def _as_float32(rewriting: Rewriting) -> None:
    for name, tensor in list(rewriting.tensors.items()):
        kind = str(tensor.dtype).removeprefix("torch.")
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            rewriting.change(name, tensor.float(), f"{kind} to float32")


def _account(
    family: Family,
    layout: Layout,
    prefix: str,
    prefixes: list[str],
    evidence: list[str],
    state: State,
    contents: Contents,
    rewriting: Rewriting,
    network: Network,
) -> LoadReport:
    expected = network.backbone.state_dict()
    for name, tensor in expected.items():
        if name.endswith("num_batches_tracked") and name not in rewriting:
            rewriting.add(name, torch.zeros((), dtype=tensor.dtype), "counter that evaluation does not read, set to 0")
    modules = {name.split(".")[0] for name in expected}
    extra = [name for name in rewriting.tensors if name not in expected]
    unexpected = [name for name in extra if name.split(".")[0] in modules]
    dropped = dict(rewriting.dropped)
    for name in extra:
        for source in rewriting.sources[name] if name not in unexpected else ():
            dropped[source] = _reason(source, prefix)
    for name in state:
        if not name.startswith(prefix):
            dropped[name] = _reason(name, prefix, prefixes)
    matched = {name: rewriting.sources[name] for name in expected if name in rewriting}
    mismatched = {
        name: f"has shape {tuple(rewriting.tensors[name].shape)}, needs {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in rewriting and rewriting.tensors[name].shape != tensor.shape
    }
    sources = {name: rewriting.sources.pop(name) for name in extra}
    for name in extra:
        del rewriting.tensors[name]
    return LoadReport(
        family=family.name,
        title=family.title,
        why=f"found {_some(evidence)}" if evidence else f"tensors named as in a {layout.name}",
        layout=layout.name,
        architecture=network.architecture,
        choices=(),
        matched=matched,
        dropped=dropped,
        missing=tuple(name for name in expected if name not in rewriting),
        mismatched=mismatched,
        unexpected=tuple(source for name in unexpected for source in sources[name]),
        changed={name: how for name, how in rewriting.changed.items() if name in expected},
        ignored=contents.ignored,
        parameters=sum(parameter.numel() for parameter in network.backbone.parameters()),
    )


def _reason(name: str, prefix: str, prefixes: list[str] | None = None) -> str:
    """Why a stored tensor outside the backbone is left out."""
    for other in prefixes or ():
        if other != prefix and name.startswith(other):
            return f"another copy of the network ({_role(other) or other})"
    tail = name.removeprefix(prefix)
    return next((reason for pattern, reason in REASONS if re.search(pattern, tail)), "not part of the backbone")


def _preprocessing(family: Family, network: Network, arguments: Mapping[str, Any]) -> Preprocessing:
    """The family's normalisation, or the checkpoint's own, at the network's native size."""
    base, size = family.preprocessing, network.size
    resize = base.resize if size == base.size else default_resize(size)
    mean, std = arguments.get("mean") or base.mean, arguments.get("std") or base.std
    return replace(base, mean=tuple(mean), std=tuple(std), size=size, resize=resize)


def default_resize(size: int) -> int:
    """Shorter side before the centre crop: 256 for 224; small images are taken whole."""
    return round(size * 256 / 224) if size >= 96 else size


def _some(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
