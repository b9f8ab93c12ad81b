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


def test_the_order_in_which_splits_were_read_tells_nothing_apart() -> None:
    manifests = {"train": {"sha256": "a" * 64}, "val": {"sha256": "b" * 64}}
    swapped = {"train": manifests["val"], "val": manifests["train"]}
    orders = (manifests, dict(reversed(manifests.items())), swapped)
    digests = [make_record(data={"spec": "imagenet", "splits": splits}).data_digest for splits in orders]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema": 1}', "not json"])
def test_a_broken_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(InputError, match=r"broken\.json is not a run record"):
        list(RecordStore(tmp_path))


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = RecordStore(tmp_path).add(make_record(schema=99))
    with pytest.raises(InputError, match="schema 99, newer than"):
        read_record(path)


def test_a_failed_run_never_replaces_a_good_record_and_a_good_one_ends_it(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    good = store.add(make_record())
    failed = store.add(make_record(error="disk full", metrics={}))
    assert failed.name == f"{good.stem}.failed.json"
    assert read_record(good).metrics["top1"] == 74.46
    store.add(make_record())
    assert not failed.exists()


def test_copies_of_a_run_count_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = RecordStore(tmp_path)
    path = store.add(make_record())
    path.with_name("a (copy).json").write_text(path.read_text())
    store.add(make_record(deviations={"seed": 1}, settings={"seed": 1}))
    assert len(store.runs()) == 2
    assert "each run counts once" in capsys.readouterr().err


def test_a_name_too_long_for_the_file_system_is_shortened(tmp_path: Path) -> None:
    model = dataclasses.replace(make_record().model, name="x" * 240)
    others = dataclasses.replace(model, name="x" * 240 + "y")
    paths = {RecordStore(tmp_path).add(make_record(model=each)).name for each in (model, others)}
    assert len(paths) == 2
    assert all(len(name) < 230 for name in paths)


def test_a_record_with_a_value_of_another_type_is_refused(tmp_path: Path) -> None:
    text = make_record().to_json().replace('"metrics": {', '"metrics": [')
    with pytest.raises(InputError, match="not a run record"):
        record_from_json(text.replace('"top5": 88.0\n  }', '"top5"]'), "x")
    with pytest.raises(InputError, match="not a run record"):
        record_from_json("[" * 100_000, "x")
