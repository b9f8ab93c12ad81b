"""Rankings from other tools: every format says the same, and bad ones are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dinobench.evaluators.common.ranking.files import score_copydays_file, score_retrieval_file
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import write_copydays, write_revisitop

NAMES = [f"scene{scene}_{view}" for scene in range(3) for view in ("easy", "hard", "junk")]
RANKS = [[0, 3, 1, 2, 4], [1, 3, 4, 5, 6], [2, 6, 12, 7, 8]]  # 12 is a distractor


def named(ids: list[int]) -> list[str]:
    return [NAMES[index] if index < len(NAMES) else f"far/away{index}.jpg" for index in ids]


@pytest.mark.parametrize("form", ["npy", "json ids", "json names", "json by query", "text ids", "text names"])
def test_every_form_scores_the_same(tmp_path: Path, form: str) -> None:
    data = write_revisitop(tmp_path)
    path = tmp_path / f"ranks.{form.split()[0].replace('text', 'txt')}"
    lists: list = [named(ids) for ids in RANKS] if "names" in form or "query" in form else RANKS
    if form == "npy":
        np.save(path, np.array(RANKS).T)
    elif form == "json by query":
        path.write_text(json.dumps({f"query{index}": lists[index] for index in reversed(range(3))}))
    elif form.startswith("json"):
        path.write_text(json.dumps(lists))
    else:
        path.write_text("\n".join(" ".join(map(str, ranked)) for ranked in lists) + "\n")
    scores = score_retrieval_file(path, data / "gnd_roxford5k.pkl")
    assert scores.metrics["medium_mp@1"] == pytest.approx(100 / 3)
    # positions of the two positives: query 0 has 0 and 2, query 1 has 1 and 2, query 2 has 1 and 3
    areas = [((1 + 1), (1 / 2 + 2 / 3)), ((0 + 1 / 2), (1 / 2 + 2 / 3)), ((0 + 1 / 2), (1 / 3 + 2 / 4))]
    expected = [(first + second) / 4 for first, second in areas]
    assert scores.details["average_precision"]["medium"] == pytest.approx([100 * value for value in expected])


@pytest.mark.parametrize(
    "content, message",
    [
        ([[0, 1, 0], [3], [6]], "query query0: id 0 occurs more than once"),
        ([[0], [3]], "ranks 2 queries"),
        ([[0, "scene0_hard"], [3], [6]], "neither all ids nor all names"),
        ([[-1], [3], [6]], "neither all ids nor all names"),
        ({"query0": [0]}, "no ranking for 2 queries, first query1"),
        ([["nobody"], ["no_one"], ["none"]], "none of its 3 results is one of the 9 images"),
        ([[90], [91], [92]], "none of its 3 results is one of the 9 images"),
        (["abc", "def", "ghi"], 'ranking of query0 is "abc", not a list'),
        ([None, None, None], "ranking of query0 is null, not a list"),
        (5, "holds 5; expected one list"),
        ([[], [], []], "none of its 0 results"),
    ],
)
def test_bad_rankings_are_refused(tmp_path: Path, content: object, message: str) -> None:
    data = write_revisitop(tmp_path)
    (tmp_path / "ranks.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        score_retrieval_file(tmp_path / "ranks.json", data / "gnd_roxford5k.pkl")


def test_files_that_are_no_rankings_are_refused(tmp_path: Path) -> None:
    data = write_revisitop(tmp_path)
    np.save(tmp_path / "floats.npy", np.zeros((3, 3)))
    (tmp_path / "broken.json").write_text("{")
    messages = {"floats.npy": "table of ids", "broken.json": "not valid JSON", "none.txt": "cannot read"}
    for name, message in messages.items():
        with pytest.raises(InputError, match=message):
            score_retrieval_file(tmp_path / name, data / "gnd_roxford5k.pkl")


def test_copies_by_array_and_by_name(tmp_path: Path) -> None:
    data = write_copydays(tmp_path)
    ids = np.array([[index % 4, 4, 5] for index in range(20)])
    ids[4:8] = [[9, index, 8] for index in range(4)]  # the strong block: second place
    np.save(tmp_path / "ranks.npy", ids)
    scores = score_copydays_file(tmp_path / "ranks.npy", data)
    assert scores.metrics["strong_map"] == 25 and scores.metrics["crops_50_map"] == 100
    assert score_copydays_file(tmp_path / "ranks.npy", data, measure="standard").metrics["strong_map"] == 50
    assert score_copydays_file(tmp_path / "ranks.npy", data, top=1).metrics["strong_map"] == 0
    by_name = {"strong": {f"{2000 + index}01.jpg": ["other.jpg", f"{2000 + index}00.jpg"] for index in range(4)}}
    (tmp_path / "ranks.json").write_text(json.dumps(by_name))
    named_scores = score_copydays_file(tmp_path / "ranks.json", data)
    assert named_scores.metrics == {"strong_map": 25} and named_scores.images == {"strong": 4}


def test_lists_that_do_not_fit_the_folder_are_refused(tmp_path: Path) -> None:
    data = write_copydays(tmp_path)
    np.save(tmp_path / "ranks.npy", np.zeros((3, 1), int))
    (tmp_path / "block.json").write_text(json.dumps({"weak": {}}))
    (tmp_path / "copy.json").write_text(json.dumps({"strong": {"200001.jpg": []}}))
    (tmp_path / "twice.json").write_text(json.dumps({"crops/50": {f"{2000 + i}00": ["a", "a"] for i in range(4)}}))
    for name, message in (
        ("ranks.npy", "ranks 3 copies and the folder has 20 in 5 blocks"),
        ("block.json", "must map block names"),
        ("copy.json", "no ranking for 3 copies of block strong"),
        ("twice.json", "more than once"),
    ):
        with pytest.raises(InputError, match=message):
            score_copydays_file(tmp_path / name, data)


@pytest.mark.parametrize(
    ("content", "message"),
    [({}, "must map block names"), ({"strong": [["a"]]}, "block strong must map each copy to its list")],
)
def test_bad_rankings_of_copies_are_refused(tmp_path: Path, content: object, message: str) -> None:
    data = write_copydays(tmp_path)
    (tmp_path / "ranks.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        score_copydays_file(tmp_path / "ranks.json", data)


def test_a_negative_number_of_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="top is -3"):
        score_copydays_file(tmp_path / "ranks.json", write_copydays(tmp_path), top=-3)


@pytest.mark.parametrize("word", ["9" * 5000, "\u0663"])
def test_a_word_of_too_many_or_odd_digits_is_a_name_that_nobody_has(tmp_path: Path, word: str) -> None:
    data = write_revisitop(tmp_path)
    path = tmp_path / "ranks.txt"
    path.write_text("\n".join(" ".join([word, *named(ids)]) for ids in RANKS), encoding="utf-8")
    with_word = score_retrieval_file(path, next(data.glob("gnd_*.pkl")))
    assert with_word.metrics
