"""Names under prefixes: whatever a trainer wraps round a network, the same tensors come out."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dinobench.models.loading.container import CheckpointContents
from dinobench.models.loading.load_plan import make_plan
from dinobench.models.loading.settings import ModelSettings
from dinobench.models.loading.state_dict import digest, flatten, scopes, unchunk
from dinobench.runtime.errors import InputError
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
    plan = make_plan(CheckpointContents("torch", nested(state, path)), ModelSettings())
    assert not plan.report.refusal
    assert digest(plan.tensors) == digest(STATE)
    assert len(plan.report.dropped) == len(set(strangers))


@given(name=st.sampled_from(sorted(STATE)), new=st.text("abcdefghijklmnop", min_size=1, max_size=8))
@settings(deadline=None, max_examples=40)
def test_a_renamed_tensor_is_never_replaced_by_chance(name: str, new: str) -> None:
    state = dict(STATE)
    state[f"zz_{new}"] = state.pop(name)
    assert _refused(state)


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


def test_blocks_of_stages_are_no_chunks() -> None:
    stages = {f"blocks.{stage}.{block}.conv.weight": torch.zeros(1) for stage in range(2) for block in range(2)}
    assert unchunk(stages) == stages


def test_flatten_and_unchunk() -> None:
    content = {"model": {"blocks.1.7.w": torch.ones(1)}, "optimizer": {0: {"m": torch.ones(1)}}, "epoch": 3}
    assert list(unchunk(flatten(content))) == ["model.blocks.7.w", "optimizer.0.m"]


ARGUMENTS = st.dictionaries(
    st.sampled_from(["arch", "patch_size", "image_size", "num_heads", "mean", "std", "data"]),
    st.none() | st.integers(-3, 5) | st.text(max_size=4) | st.lists(st.floats(0.1, 1), max_size=3) | st.just(object()),
)


@given(name=st.sampled_from(sorted(STATE)), shape=st.sampled_from([(), (0,), (1,), (2, 3), (1, 2, 3), (1, 2, 3, 4, 5)]))
@settings(deadline=None, max_examples=60)
def test_any_wrong_shape_is_refused(name: str, shape: tuple[int, ...]) -> None:
    assert _refused(STATE | {name: torch.ones(shape)})


@given(arguments=ARGUMENTS)
@settings(deadline=None, max_examples=60)
def test_odd_training_arguments_never_crash(arguments: dict[str, object]) -> None:
    _refused({"model": STATE, "args": arguments})


def _refused(content: dict[str, object]) -> bool:
    """Whether the content is refused; anything but InputError is a crash."""
    try:
        return bool(make_plan(CheckpointContents("torch", content), ModelSettings()).report.refusal)
    except InputError as error:
        return "\n" not in str(error)
