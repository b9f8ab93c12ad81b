from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from dinobench.runtime.errors import InputError
from dinobench.runtime.plugins import plugin_names, settings_of
from dinobench.runtime.settings import (
    Count,
    Positive,
    Share,
    differing,
    fields_of,
    hashed_form,
    known_changes,
    parse_pairs,
    plain,
    refuse_unknown,
    resolve,
    setting,
    toml_text,
)

Percent = Annotated[float, Meta(gt=0, le=100)]


@dataclass(frozen=True, kw_only=True)
class Toy:
    """Of a toy."""

    ks: tuple[Count, ...] = setting((10, 20), "neighbors")
    temperature: Positive = setting(0.07, "of votes")
    percent: Percent = setting(100.0, "of images", unit="%")
    held_out: Share = setting(0.0, "share")
    search: Literal["blocks", "faiss"] = setting("blocks", "how", moves_figure=False)
    crop: bool = setting(True, "whether")
    lr: float = setting(0.1, "learning rate", was="rate")
    scale: tuple[Percent, Percent] = setting((1.0, 2.0), "two of them")
    name: str = setting("", "of it", later=True)

    def __post_init__(self) -> None:
        if not self.ks:
            raise InputError("ks is empty")


def test_values_are_read_as_toml_and_bare_words_as_text() -> None:
    pairs = ["k=5", "temperature=0.1", "search=faiss", "crop=false", "ks=[1, 2]"]
    assert parse_pairs(pairs) == {"k": 5, "temperature": 0.1, "search": "faiss", "crop": False, "ks": [1, 2]}


@pytest.mark.parametrize("pair", ["k", "=3", ""])
def test_what_is_no_pair_is_refused(pair: str) -> None:
    with pytest.raises(InputError, match="not key=value"):
        parse_pairs([pair])


def test_a_value_nested_too_deep_is_refused() -> None:
    with pytest.raises(InputError, match="is nested too deep"):
        parse_pairs([f"ks={'[' * 5000}"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temprature": 1.0}, "unknown setting of toy@paper 'temprature'; did you mean temperature"),
        ({"rate": 1.0}, "setting of toy@paper 'rate' is now called lr; use that name"),
        ({"ks": "many"}, "ks of toy@paper is 'many'; give a list of whole numbers, at least 1"),
        ({"ks": [1, 0]}, r"ks of toy@paper is \[1, 0\]; give a list of whole numbers, at least 1"),
        ({"ks": [True]}, "give a list of whole numbers"),
        ({"ks": 2.5}, "give a list of whole numbers"),
        ({"ks": []}, "ks is empty"),
        ({"crop": 1}, "crop of toy@paper is 1; give true or false"),
        ({"search": 3}, "search of toy@paper is 3; give blocks or faiss"),
        ({"search": "fais"}, "give blocks or faiss; did you mean faiss"),
        ({"percent": 0}, "percent of toy@paper is 0; give a number, above 0 and at most 100"),
        ({"percent": 100.5}, "above 0 and at most 100"),
        ({"held_out": 1.0}, "give a number, at least 0 and below 1"),
        ({"temperature": float("nan")}, "temperature of toy@paper is nan; give a number, above 0"),
        ({"lr": float("nan")}, "lr of toy@paper is nan; give a number"),
        ({"lr": float("inf")}, "lr of toy@paper is inf; give a number"),
        ({"lr": True}, "lr of toy@paper is True; give a number"),
        ({"lr": 10**400}, "lr of toy@paper is 1000"),
        ({"lr": 10**9999}, "lr of toy@paper is a number of thousands of digits"),
        ({"ks": 10**30}, "give a list of whole numbers"),
        ({"scale": [1.0]}, "give a list of 2 numbers, above 0 and at most 100"),
        ({"name": ["x"]}, "give text"),
        ({"name": 5}, "give text"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_short_line(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        resolve(Toy, changes, "toy@paper")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_a_scalar_serves_as_a_list_and_a_whole_number_as_a_number() -> None:
    assert resolve(Toy, {"ks": 7, "temperature": 1}, "x") == Toy(ks=(7,), temperature=1.0)
    assert isinstance(resolve(Toy, {"temperature": 1}, "x").temperature, float)


def test_changes_go_on_top_of_what_there_is() -> None:
    start = Toy(lr=0.5)
    assert resolve(Toy, {"crop": False}, "x", start) == replace(start, crop=False)


def test_only_what_can_move_the_figure_differs() -> None:
    assert differing(Toy(search="faiss", ks=(1,)), Toy()) == {"ks": [1]}


def test_the_hashed_form_has_the_names_of_version_one() -> None:
    form = hashed_form(Toy(scale=(2.0, 3.0)))
    assert form["rate"] == 0.1 and form["scale"] == [2.0, 3.0]
    assert not {"lr", "search", "name"} & form.keys()
    assert hashed_form(Toy(name="x"))["name"] == "x"


def test_names_may_belong_to_any_of_several_types() -> None:
    @dataclass(frozen=True)
    class Other:
        rate: int = setting(1, "not the toy's former word")

    refuse_unknown(["rate", "crop"], [Toy, Other])
    assert known_changes(Other, {"rate": 1, "crop": 2}) == {"rate": 1}
    with pytest.raises(InputError, match="is now called lr"):
        refuse_unknown(["rate"], [Toy])


@pytest.mark.parametrize("evaluator", plugin_names("evaluators"))
def test_every_setting_has_help_and_a_default_that_fits(evaluator: str) -> None:
    kind = settings_of(evaluator)
    assert resolve(kind, plain(kind()), evaluator) == kind()
    for field in fields_of(kind).values():
        assert 0 < len(field.about.help) <= 110
        assert field.expected


@given(st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_the_command_line(whole: int, real: float) -> None:
    assert parse_pairs([f"a={whole}", f"b={real!r}"]) == {"a": whole, "b": real}


@given(st.lists(st.integers(1, 9), min_size=1).map(tuple), st.booleans(), st.text(max_size=9))
def test_what_is_printed_can_be_given_again(ks: tuple[int, ...], crop: bool, name: str) -> None:
    settings = Toy(ks=ks, crop=crop, name=name)
    pairs = [f"{key}={toml_text(value)}" for key, value in plain(settings).items()]
    assert resolve(Toy, parse_pairs(pairs), "x") == settings


def test_a_key_with_two_values_is_refused() -> None:
    assert parse_pairs(["k=5", "k=5"]) == {"k": 5}
    with pytest.raises(InputError, match="k is given twice, as 5 and as 6"):
        parse_pairs(["k=5", "k=6"])
