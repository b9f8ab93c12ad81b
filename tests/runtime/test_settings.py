import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import override, parse_pairs

DEFAULTS = {"ks": [10, 20], "temperature": 0.07, "search": "exact", "crop": True, "k": 20}


def test_values_are_read_as_toml_and_bare_words_as_text() -> None:
    pairs = ["k=5", "temperature=0.1", "search=faiss", "crop=false", "ks=[1, 2]"]
    assert parse_pairs(pairs) == {"k": 5, "temperature": 0.1, "search": "faiss", "crop": False, "ks": [1, 2]}


@pytest.mark.parametrize("pair", ["k", "=3", ""])
def test_what_is_no_pair_is_refused(pair: str) -> None:
    with pytest.raises(InputError, match="not key=value"):
        parse_pairs([pair])


def test_a_mistyped_key_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InputError, match="did you mean temperature"):
        override(DEFAULTS, {"temprature": 1.0}, "knn@paper")


@pytest.mark.parametrize(
    ("key", "value"), [("k", "many"), ("crop", 1), ("k", True), ("search", 3), ("k", 2.5), ("ks", "[.5]")]
)
def test_a_value_of_another_type_is_refused(key: str, value: object) -> None:
    with pytest.raises(InputError, match=f"{key} of knn@paper"):
        override(DEFAULTS, {key: value}, "knn@paper")


def test_a_scalar_serves_as_a_list_and_an_integer_as_a_float() -> None:
    assert override(DEFAULTS, {"ks": 7, "temperature": 1}, "x") == {**DEFAULTS, "ks": [7], "temperature": 1.0}


@given(st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_the_command_line(whole: int, real: float) -> None:
    assert parse_pairs([f"a={whole}", f"b={real!r}"]) == {"a": whole, "b": real}


def test_a_key_with_two_values_is_refused() -> None:
    assert parse_pairs(["k=5", "k=5"]) == {"k": 5}
    with pytest.raises(InputError, match="k is given twice, as 5 and as 6"):
        parse_pairs(["k=5", "k=6"])
