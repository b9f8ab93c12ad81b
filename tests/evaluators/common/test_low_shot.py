from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinobench.evaluators.common.low_shot import chosen_rows, listed, per_class, percentage
from dinobench.evaluators.common.setting_groups import TrainingRowsSettings
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import resolve

LABELS = np.repeat(np.arange(4), [10, 20, 30, 3])


@given(st.integers(1, 40), st.integers(0, 9))
def test_shots_of_every_class(shots, seed):
    rows = per_class(LABELS, shots, seed)
    assert np.bincount(LABELS[rows]).tolist() == [min(shots, count) for count in (10, 20, 30, 3)]
    assert len(np.unique(rows)) == len(rows)


@given(st.floats(0.1, 100), st.integers(0, 9))
def test_percent_of_every_class(percent, seed):
    rows = percentage(LABELS, percent, seed)
    wanted = [max(1, round(count * percent / 100)) for count in (10, 20, 30, 3)]
    assert np.bincount(LABELS[rows]).tolist() == wanted


def test_draws_differ_and_repeat():
    first, again, second = (per_class(LABELS, 5, seed).tolist() for seed in (0, 0, 1))
    assert first == again != second


def test_listed(tmp_path):
    names = ["a/x.jpg", "a/y.jpg", "b/z.jpg"]
    (tmp_path / "list.txt").write_text("z.jpg\nx.jpg\n")
    assert listed(names, tmp_path / "list.txt").tolist() == [0, 2]
    (tmp_path / "list.txt").write_text("w.jpg")
    with pytest.raises(InputError, match=r"1 images of .* first w\.jpg"):
        listed(names, tmp_path / "list.txt")
    with pytest.raises(InputError, match="cannot read the list"):
        listed(names, tmp_path / "absent.txt")


def _choose(**changes):
    settings = resolve(TrainingRowsSettings, changes, "test")
    return chosen_rows(LABELS, ["x"] * len(LABELS), settings, seed=0)


def test_chosen_rows():
    assert _choose() is None
    assert len(_choose(shots=2)) == 8
    assert len(_choose(percent=10.0)) == 1 + 2 + 3 + 1


@pytest.mark.parametrize("changes", [{"shots": 1, "percent": 5.0}, {"shots": -1}, {"percent": 0.0}, {"percent": 101.0}])
def test_refusals(changes):
    with pytest.raises(InputError):
        _choose(**changes)


NAMES = ("train/cat/1.png", "train/cat/my photo 2.png", "train/dog/1.png", "train/dog/3.png")


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"cat/1.png\ndog/1.png\n", [0, 2]),
        (b"train/dog/3.png\n./cat/1.png\n", [0, 3]),
        (b"\xef\xbb\xbfmy photo 2.png\r\n3.png\r\n\r\n", [1, 3]),
        (b"dog\\1.png\n3.png\n3.png\n", [2, 3]),
    ],
)
def test_lists_as_people_write_them(tmp_path, content, rows):
    (tmp_path / "list.txt").write_bytes(content)
    assert listed(NAMES, tmp_path / "list.txt").tolist() == rows


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"1.png\n", r"first 1\.png: train/cat/1\.png, train/dog/1\.png; give CLASS/NAME"),
        (b"bird/1.png\n", r"1 images of .* not in the training set, first bird/1\.png"),
        (b"\n", "names no image"),
    ],
)
def test_lists_that_do_not_tell_are_refused(tmp_path, content, says):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(InputError, match=says):
        listed(NAMES, tmp_path / "list.txt")
