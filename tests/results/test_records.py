import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinobench.results.records import RecordStore, read_record, record_from_json
from dinobench.runtime.errors import InputError
from tests.results.factory import make_record


@given(
    st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False)),
    st.dictionaries(st.text(max_size=5), st.tuples(st.floats(0, 50), st.floats(50, 100))),
    st.lists(st.text(max_size=10)),
)
def test_a_record_survives_the_disk(
    metrics: dict[str, float], intervals: dict[str, tuple[float, float]], warnings: list[str]
) -> None:
    record = make_record(metrics=metrics, intervals=intervals, warnings=tuple(warnings))
    assert record_from_json(record.to_json(), "x") == record


def test_a_figure_that_is_no_number_becomes_null() -> None:
    text = make_record(metrics={"top1": float("nan")}).to_json()
    assert json.loads(text)["metrics"] == {"top1": None}


def test_a_second_run_replaces_the_first_and_other_weights_stand_beside(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    first = make_record()
    store.add(first)
    store.add(make_record(metrics={"top1": 1.0}))
    store.add(make_record(model=dataclasses.replace(first.model, sha256="ef" * 32)))
    assert sorted(record.metrics["top1"] or 0 for record in store) == [1.0, 74.46]


def test_other_data_and_another_protocol_stand_beside(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    paths = {
        store.add(make_record()),
        store.add(make_record(data={"spec": "mini", "splits": {}})),
        store.add(make_record(protocol={"name": "official", "version": 1, "hash": ""})),
        store.add(make_record(deviations={"shots": 5})),
        store.add(make_record(deviations={"shots": 1})),
    }
    assert len(paths) == 5


def test_every_split_tells_the_data_apart() -> None:
    same, other = ({"original": {"sha256": "a" * 64}, "strong": {"sha256": end * 64}} for end in "bc")
    names = {make_record(data={"spec": "copies", "splits": splits}).name for splits in (same, other)}
    assert len(names) == 2


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema": 1}', "not json"])
def test_a_broken_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(InputError, match=r"broken\.json is not a run record"):
        list(RecordStore(tmp_path))


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = RecordStore(tmp_path).add(make_record(schema=99))
    with pytest.raises(InputError, match="schema 99, newer than"):
        read_record(path)
