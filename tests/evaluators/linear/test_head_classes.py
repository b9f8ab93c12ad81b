"""Rows of a head in the order of the data's classes, on the word of each place where people keep it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dinobench.evaluators.linear.head_classes import RowNames
from dinobench.evaluators.linear.head_file import load_head, save_head
from dinobench.evaluators.linear.heads import LinearHead

NUMBERS = ("0", "1", "10", "2")  # class folders in order of text
BY_VALUE = ("0", "1", "2", "10")  # rows of the head
HEAD = LinearHead(torch.arange(12.0).reshape(4, 3), torch.arange(4.0))


def _own_file(folder: Path, names: tuple[str, ...]) -> Path:
    save_head(folder / "head.safetensors", HEAD, "cls", names)
    return folder / "head.safetensors"


def _plain(folder: Path, **more: object) -> Path:
    torch.save({"linear.weight": HEAD.weight, "linear.bias": HEAD.bias, **more}, folder / "head.pth")
    return folder / "head.pth"


def _config(folder: Path, names: tuple[str, ...]) -> Path:
    (folder / "config.json").write_text(json.dumps({"id2label": dict(enumerate(names))}))
    return _plain(folder)


def _table(folder: Path, names: tuple[str, ...]) -> Path:
    (folder / "class_to_idx.json").write_text(json.dumps({name: row for row, name in enumerate(names)}))
    return _plain(folder)


def _list(folder: Path, names: tuple[str, ...]) -> Path:
    (folder / "classes.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(names).encode() + b"\r\n")
    return _plain(folder)


def _inside(folder: Path, names: tuple[str, ...]) -> Path:
    return _plain(folder, class_to_idx={name: row for row, name in enumerate(names)})


@pytest.mark.parametrize("write", [_own_file, _config, _table, _list, _inside])
def test_rows_stand_in_the_order_of_the_classes(tmp_path, write):
    file = load_head(write(tmp_path, BY_VALUE))
    head, (line,) = file.rows.in_order_of(file.head, NUMBERS)
    assert head.bias.tolist() == [0, 1, 3, 2]
    assert head.weight[2].tolist() == HEAD.weight[3].tolist()
    assert line.startswith("the head's rows are numbered by")


def test_numbers_are_compared_by_value(tmp_path):
    file = load_head(_list(tmp_path, ("00", "01", "02", "10")))
    assert file.rows.in_order_of(file.head, NUMBERS)[0].bias.tolist() == [0, 1, 3, 2]


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"id2label": {"0": "LABEL_0", "1": "a", "2": "b", "3": "c"}}', '{"id2label": {"0": "a"}}']
)
def test_a_neighbor_that_numbers_no_row_leaves_the_order_assumed_and_said(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    file = load_head(_plain(tmp_path))
    head, (line,) = file.rows.in_order_of(file.head, NUMBERS)
    assert head is file.head
    assert "in order of text" in line and "classes.txt beside the head" in line


def test_other_names_than_the_data_have_are_said():
    head, (line,) = RowNames(("tench", "shark"), "config.json beside it").in_order_of(HEAD, ("n01", "n02"))
    assert head is HEAD
    assert "names the head's rows otherwise (tench, shark) than the data their classes (n01, n02)" in line


def test_without_numbers_and_names_nothing_is_said():
    assert RowNames().in_order_of(HEAD, ("a", "b")) == (HEAD, [])
