"""Which of a file's networks is taken: by family, by role, by the user's word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from dinobench.models.loading.choices import Choice
from dinobench.models.loading.family import Family, KeyLayout
from dinobench.models.loading.key_report import network_branch
from dinobench.models.loading.state_dict import State, first_names, flatten, scopes
from dinobench.runtime.errors import InputError

AVERAGED = "ema"
CHANGES = "weights=teacher|student changes it"
_NUMBERED = re.compile(r"(blocks|layers?|layer\d|stages|encoderblock)[._]?\d*\.")
_BUFFERS = re.compile(r"\.(running_mean|running_var|num_batches_tracked)$")


@dataclass(frozen=True)
class NetworkMatch:
    """A family that fits a table of tensors, and the prefixes under which its network stands there."""

    family: Family
    layout: KeyLayout
    prefixes: list[str]
    evidence: list[str]


def match_family(state: State, families: tuple[Family, ...]) -> NetworkMatch:
    """The first family whose signs and layout the tensors show.

    Raises:
        InputError: none fits.
    """
    named = len(families) == 1  # by the user, whose word stands for the signs
    for family in families:
        evidence = family.evidence(state)
        evidence = [] if evidence is None and named else evidence
        for layout in family.layouts if evidence is not None else ():
            prefixes = scopes(state, layout.anchors)
            if prefixes:
                return NetworkMatch(family, layout, prefixes, evidence or [])
    tried = f"the {families[0].title} family does not fit" if len(families) == 1 else "no known checkpoint family fits"
    raise InputError(
        f"{tried}: {len(state)} tensors such as {first_names(state)}; name another with --set family=NAME, a timm "
        f"model with --set architecture=NAME, or describe yours with --set family_file=FILE.py"
    )


def choose_network(match: NetworkMatch, state: State, wanted: str) -> tuple[str, list[Choice]]:
    """One prefix of several, and how that was decided.

    Raises:
        InputError: the user's word fits none, or nobody's word decides between networks that differ.
    """
    roles = {prefix: network_branch(prefix) for prefix in match.prefixes}
    candidates = _candidate_prefixes(match, roles, "teacher" if wanted == AVERAGED else wanted)
    if wanted and not candidates:
        under = first_names(map(repr, match.prefixes))
        raise InputError(f"the file holds no {wanted} weights, only those under {under}")
    candidates = candidates or match.prefixes
    if not wanted:
        _refuse_doubt(state, match, candidates)
    chosen = candidates[0]
    others = [repr(prefix) for prefix in match.prefixes if prefix != chosen]
    beside = f", not {first_names(others)}" if others else ""
    value = f"{roles[chosen] or 'network'} under {chosen!r}{beside}"
    return chosen, [Choice("weights", value, CHANGES if others else "the only one")] if chosen or others else []


def _candidate_prefixes(match: NetworkMatch, roles: Mapping[str, str], wanted: str) -> list[str]:
    """The prefixes of a role, else those of no role; or those that begin as the user says."""
    if wanted not in ("", "teacher", "student"):
        return [prefix for prefix in match.prefixes if prefix.startswith(wanted)]
    fitting = [prefix for prefix in match.prefixes if roles[prefix] == (wanted or match.family.branch)]
    return fitting or [prefix for prefix in match.prefixes if not roles[prefix]]


def _refuse_doubt(state: State, match: NetworkMatch, candidates: list[str]) -> None:
    """Refuse to choose between networks of different architecture, or between different ones of equal claim."""
    signatures = {prefix: _shape_signature(state, prefix, match.layout) for prefix in match.prefixes}
    chosen = candidates[0]
    for other in match.prefixes:
        if signatures[other] != signatures[chosen]:
            raise InputError(
                f"the file holds networks of different architecture, under {chosen!r} and {other!r}; "
                f"choose one by --set weights={_weights_word(chosen)} or --set weights={_weights_word(other)}"
            )
    for other in candidates[1:]:
        if not _same_numbers(state, chosen, other):
            raise InputError(
                f"the file holds several networks, under {first_names(map(repr, candidates))}; choose one by "
                f"--set weights={_weights_word(chosen)} or --set weights={_weights_word(other)}"
            )


def _weights_word(prefix: str) -> str:
    """What `weights` takes for a prefix: its role, or the prefix itself."""
    return network_branch(prefix) or prefix or "''"


def _shape_signature(state: State, prefix: str, layout: KeyLayout) -> dict[str, tuple[int, ...]]:
    """Names and shapes that tell architectures apart: those of the anchors and of every numbered block."""
    inside = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    return {
        name: tuple(tensor.shape)
        for name, tensor in inside.items()
        if name in layout.anchors or (_NUMBERED.match(name) and name.endswith(".weight"))
    }


def _same_numbers(state: State, one: str, other: str) -> bool:
    """Whether the same numbers stand under two prefixes."""
    names = [name.removeprefix(one) for name in state if name.startswith(one)]
    return all(
        other + name in state and state[one + name].equal(state[other + name])
        for name in names
        if _NUMBERED.match(name)
    )


def averaged_lists(content: Mapping[Any, Any]) -> Iterator[tuple[str, list[Tensor]]]:
    """Averaged weights that are kept as a list beside the network: their place in the file, and the tensors."""
    for key, value in content.items():
        if not isinstance(value, Mapping):
            continue
        shadow = value.get("shadow_params")
        if isinstance(shadow, (list, tuple)) and shadow and all(isinstance(item, Tensor) for item in shadow):
            yield f"{key}.shadow_params", list(shadow)


def with_averages(content: Mapping[Any, Any], place: str, averages: list[Tensor]) -> State:
    """The file's parameters replaced, in their order, by a list of averages.

    Raises:
        InputError: no table of the file has as many parameters of these shapes.
    """
    tables = [("", content), *((f"{key}.", value) for key, value in content.items() if isinstance(value, Mapping))]
    for prefix, table in tables:
        flat = {f"{prefix}{name}": tensor for name, tensor in flatten(table).items()}
        learned = [name for name in flat if not _BUFFERS.search(name)]
        if [flat[name].shape for name in learned] == [tensor.shape for tensor in averages]:
            return {**flat, **dict(zip(learned, averages, strict=True))}
    raise InputError(f"{place} holds {len(averages)} averages, which fit no table of the file in number and shapes")
