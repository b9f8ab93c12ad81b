from __future__ import annotations

import pytest

from dinobench.cards import load_models
from dinobench.results.cell_verdicts import judge, newest, without_weights
from tests.results.factory import make_record


@pytest.mark.parametrize(
    ("value", "interval", "kind"),
    [(74.46, None, "equal"), (74.1, (73.0, 75.0), "within"), (74.1, (73.9, 74.3), "differs"), (74.1, None, "differs")],
)
def test_a_comparable_figure_is_equal_within_or_differs(
    value: float, interval: tuple[float, float] | None, kind: str
) -> None:
    record = make_record(metrics={"top1": value}, intervals={"top1": interval} if interval else {})
    assert judge("74.5", "top1", record).kind == kind


def test_what_is_not_comparable_or_missing_says_why() -> None:
    other = make_record(comparable=False, because=("1000 val images",))
    assert "1000 val images" in judge("74.5", "top1", other).text
    assert judge("74.5", "top1", None, "dinobench models fetch x").text == "dinobench models fetch x"
    assert judge("74.5", "top1", make_record(error="disk full", metrics={})).text == "failed: disk full"


def test_a_good_record_stands_before_a_later_failed_one() -> None:
    good = make_record(date="2026-01-01")
    failed = make_record(date="2026-01-02", error="disk full")
    assert newest([failed, good], "dino_vits16", "knn", "paper") == good


def test_a_rehearsal_is_never_equal_and_never_differs() -> None:
    for value in (74.5, 1.0):
        verdict = judge("74.5", "top1", make_record(metrics={"top1": value}, rehearsal=True))
        assert (verdict.kind, verdict.text.startswith("rehearsal: drawn weights")) == ("rehearsed", True)
        assert not {"equals", "differs", "within"} & set(verdict.text.split())


def test_a_figure_that_the_paper_lacks_is_not_within_anything() -> None:
    assert judge("", "top1", make_record()).kind == "no figure"


def test_a_rehearsal_never_fills_a_real_cell_nor_a_real_run_a_rehearsals() -> None:
    real, rehearsed = make_record(date="2026-01-01"), make_record(date="2026-01-02", rehearsal=True)
    assert newest([real, rehearsed], "dino_vits16", "knn", "paper") == real
    assert newest([real, rehearsed], "dino_vits16", "knn", "paper", rehearsal=True) == rehearsed
    assert newest([rehearsed], "dino_vits16", "knn", "paper") is None


def test_who_trains_weights_that_nobody_released() -> None:
    cards = load_models()
    verdict = without_weights(cards["swav_vits16"])
    assert verdict is not None
    assert (verdict.kind, verdict.text) == ("no weights", "no weights: recipe table7-row9 trains them")
    assert without_weights(cards["dino_vits16"]) is None
