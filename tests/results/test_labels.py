from __future__ import annotations

from dinobench.results.labels import model_labels
from dinobench.results.records import ModelInfo


def test_one_name_one_network() -> None:
    assert model_labels([ModelInfo("a", "1" * 64), ModelInfo("b", "2" * 64)]) == {"1" * 64: "a", "2" * 64: "b"}


def test_files_of_one_name_are_told_apart_by_their_folders() -> None:
    found = model_labels(
        [
            ModelInfo("teacher", "1" * 64, source="/runs/one/out/teacher.pth"),
            ModelInfo("teacher", "2" * 64, source="/runs/two/out/teacher.pth"),
        ]
    )
    assert found == {"1" * 64: "one/out/teacher", "2" * 64: "two/out/teacher"}


def test_where_paths_do_not_tell_the_digest_does() -> None:
    same = {"source": "/runs/teacher.pth"}
    found = model_labels([ModelInfo("teacher", "1" * 64, **same), ModelInfo("teacher", "2" * 64, **same)])
    assert found == {"1" * 64: "teacher 11111111", "2" * 64: "teacher 22222222"}
