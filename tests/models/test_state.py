"""Names under prefixes: whatever a trainer wraps round a network, the same tensors come out."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dinobench.models.containers import Contents
from dinobench.models.plan import make_plan
from dinobench.models.state import digest, flatten, scopes, unchunk
from tests.models.checkpoints import timm_vit

STATE = dict(timm_vit().state_dict())
WORDS = st.sampled_from(
    ["module", "backbone", "model", "teacher", "_orig_mod", "net", "encoder", "ema", "state_dict", "x1"]
)
PREFIXES = st.lists(WORDS, max_size=4)


def nested(state: dict[str, torch.Tensor], path: list[str]) -> dict[str, object]:
    """The table inside mappings, one per word."""
    content: dict[str, object] = dict(state)
    for word in reversed(path):
        content = {word: content}
    return content


@given(path=PREFIXES, joined=PREFIXES, strangers=st.lists(st.text("abcdefghij_", min_size=3, max_size=8), max_size=3))
@settings(deadline=None, max_examples=60)
def test_any_wrapping_gives_the_same_tensors(path: list[str], joined: list[str], strangers: list[str]) -> None:
    prefix = "".join(f"{word}." for word in joined)
    state = {prefix + key: value for key, value in STATE.items()}
    state |= {f"{prefix}zz_{name}": torch.ones(2) for name in strangers}
    plan = make_plan(Contents("torch", nested(state, path)), {})
    assert not plan.report.refusal
    assert digest(plan.tensors) == digest(STATE)
    assert len(plan.report.dropped) == len(set(strangers))


@given(name=st.sampled_from(sorted(STATE)), new=st.text("abcdefghijklmnop", min_size=1, max_size=8))
@settings(deadline=None, max_examples=40)
def test_a_renamed_tensor_is_never_replaced_by_chance(name: str, new: str) -> None:
    state = dict(STATE)
    state[f"zz_{new}"] = state.pop(name)
    try:
        plan = make_plan(Contents("torch", state), {})
    except Exception as error:
        assert type(error).__name__ == "InputError"
        return
    assert name in plan.report.missing
    assert plan.report.refusal


@given(order=st.permutations(sorted(STATE)))
@settings(deadline=None, max_examples=10)
def test_the_digest_ignores_the_order(order: list[str]) -> None:
    assert digest({name: STATE[name] for name in order}) == digest(STATE)


def test_the_digest_sees_names_shapes_types_and_bytes() -> None:
    tensor = torch.arange(6.0)
    tables = [
        {"a": tensor},
        {"b": tensor},
        {"a": tensor.reshape(2, 3)},
        {"a": tensor.double()},
        {"a": tensor + 1},
        {"a": tensor, "b": torch.zeros(())},
        {},
    ]
    assert len({digest(table) for table in tables}) == len(tables)


def test_prefixes_are_removed_as_prefixes() -> None:
    names = ["a.module.w", "module.a.module.w", "xmodule.w"]
    assert scopes(names, ("module.w",)) == ["a.", "module.a."]


def test_flatten_and_unchunk() -> None:
    content = {"model": {"blocks.1.7.w": torch.ones(1)}, "optimizer": {0: {"m": torch.ones(1)}}, "epoch": 3}
    assert list(unchunk(flatten(content))) == ["model.blocks.7.w", "optimizer.0.m"]
