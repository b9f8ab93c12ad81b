"""Every tensor of a checkpoint accounted for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dinobench.models.loading.choices import Choice
from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.state_dict import first_names
from dinobench.models.loading.unexplained import UNKNOWN, advice, has_adapters, tensor_parallel

TEACHER = re.compile(r"teacher|target|momentum|(^|[._])ema([._]|$)|encoder_k|key_encoder|averaged")
STUDENT = re.compile(r"student|online|encoder_q|query_encoder|base_encoder")

# Why a tensor outside the backbone is left out, the first that fits its stored name.
REASONS = (
    (r"optim|(^|\.)opt\.|scaler|scheduler|callbacks|loops\.", "state of the optimizer or the loop"),
    (r"decoder", "decoder"),
    (r"queue|memory_bank", "momentum queue"),
    (r"loss|cent(er|re)", "state of the loss"),
    (r"head|fc\b|fc\.|linear|classif|project|predict|prototype|last_layer|logits|mlp|(^|\.)bn\.", "head"),
)


@dataclass(frozen=True)
class TensorAccount:
    """What becomes of every tensor of a file beside what a backbone needs.

    Attributes:
        matched: stored names by the backbone's own name.
        dropped: reason by stored name.
        missing: names that the backbone needs and the file lacks.
        mismatched: "has shape ..., needs ..." or "is sparse, ..." by the backbone's name.
        unexpected: stored names that belong to the backbone's modules but have no place in them.
    """

    matched: Mapping[str, tuple[str, ...]]
    dropped: Mapping[str, str]
    missing: tuple[str, ...]
    mismatched: Mapping[str, str]
    unexpected: tuple[str, ...]


@dataclass(frozen=True)
class LoadReport(TensorAccount):
    """How a checkpoint loads.

    Attributes:
        family, title: who made it.
        why: what it was recognized by.
        layout: how its tensors are named.
        architecture: the network's name.
        choices: what was picked where there was a choice, and on whose word.
        deciding: stored names that were dropped though they may be part of how the network makes its feature.
        changed: what was done to values, by the backbone's name.
        ignored: pickled objects that were not built.
        parameters: of the backbone.
    """

    family: str
    title: str
    why: str
    layout: str
    architecture: str
    choices: tuple[Choice, ...]
    deciding: tuple[str, ...]
    changed: Mapping[str, str]
    ignored: tuple[str, ...]
    parameters: int

    @property
    def refusal(self) -> str:
        """Why the file must not be loaded, on one line; empty if it may."""
        if has_adapters(self.deciding):
            return self._decision_line
        if self.missing:
            return f"{len(self.missing)} tensors of the backbone are missing: {first_names(self.missing)}"
        if self.mismatched:
            name, how = next(iter(self.mismatched.items()))
            hint = tensor_parallel(self.mismatched)
            return f"{len(self.mismatched)} tensors of the backbone do not fit: {name} {how}{hint}"
        if self.unexpected:
            names = first_names(self.unexpected)
            return f"{len(self.unexpected)} tensors inside the backbone have no place in it: {names}"
        return self._decision_line if self.deciding else ""

    @property
    def of_another_network(self) -> bool:
        """Whether tensors decide, lack a place or are missing: the file may be of a network that no family knows."""
        return bool(self.refusal) and not has_adapters(self.deciding)

    @property
    def _decision_line(self) -> str:
        names = first_names(self.deciding)
        count = len(self.deciding)
        return f"{count} of its tensors may be part of how it makes its feature: {names}; {advice(self.deciding)}"


def compare_tensors(conversion: StateDictConversion, expected: Mapping[str, Tensor]) -> TensorAccount:
    """What becomes of every tensor beside the backbone's own table."""
    modules = {name.split(".")[0] for name in expected}
    extra = [name for name in conversion.tensors if name not in expected]
    unexpected = [name for name in extra if name.split(".")[0] in modules]
    beside = {source: reason(name) for name in extra for source in conversion.sources[name]}
    misplaced = dict.fromkeys(source for name in unexpected for source in conversion.sources[name])
    return TensorAccount(
        matched={name: conversion.sources[name] for name in expected if conversion.sources.get(name)},
        missing=tuple(name for name in expected if name not in conversion),
        mismatched={
            name: how
            for name, tensor in expected.items()
            if name in conversion and (how := _misfit(conversion.tensors[name], tensor))
        },
        dropped={**conversion.dropped, **{name: why for name, why in beside.items() if name not in misplaced}},
        unexpected=tuple(misplaced),
    )


def _misfit(tensor: Tensor, needed: Tensor) -> str:
    """How a tensor does not fit, by its shape or by what its numbers are; empty where it fits."""
    if tensor.shape != needed.shape:
        return f"has shape {tuple(tensor.shape)}, needs {tuple(needed.shape)}"
    if tensor.is_quantized or tensor.layout != torch.strided:
        kind = "is quantized" if tensor.is_quantized else "is sparse"
    elif needed.is_floating_point() and not tensor.is_floating_point():
        kind = f"is {str(tensor.dtype).removeprefix('torch.')}"
    else:
        return ""
    return f"{kind}, not a plain floating point tensor; save it by .float(), .dequantize() or .to_dense()"


def reason(name: str) -> str:
    """Why a tensor beside the backbone is left out."""
    return next((why for pattern, why in REASONS if re.search(pattern, name)), UNKNOWN)


def reasons_outside(names: Iterable[str], prefix: str, prefixes: Iterable[str]) -> dict[str, str]:
    """Reasons for the stored names that do not stand under the chosen `prefix`."""
    others = set(prefixes) - {prefix}
    reasons = {}
    for name in names:
        if not name.startswith(prefix):
            copy = next((start for start in _possible_prefixes(name) if start in others), None)
            reasons[name] = (
                reason(name) if copy is None else f"another copy of the network ({network_branch(copy) or copy})"
            )
    return reasons


def _possible_prefixes(name: str) -> Iterator[str]:
    """Every prefix that a network could stand under: "a.b.c" -> "", "a.", "a.b."."""
    yield ""
    for index, char in enumerate(name):
        if char in "./":
            yield name[: index + 1]


def network_branch(prefix: str) -> str:
    """Whether a prefix names the averaged network ("teacher"), the trained one ("student"), or neither ("")."""
    if TEACHER.search(prefix):
        return "teacher"
    return "student" if STUDENT.search(prefix) else ""
