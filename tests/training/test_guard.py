from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import InputError, RunFailedError
from dinobench.training import source, training_run
from dinobench.training.batches import BatchRequest
from dinobench.training.checkpoints import load
from dinobench.training.feature_watch import FeatureWatch
from dinobench.training.guard import StartGuard
from dinobench.training.recipe import Recipe
from dinobench.training.recipe_files import load_recipe
from dinobench.training.run import train
from tests.training.test_run import TINY, few_images  # noqa: F401

GUARDED = {**TINY, "architecture": "", "knn_every": 1, "guard": "labels", "epochs": 6}
GOOD, BAD = [True] * 14 + [False] * 2, [False] * 12 + [True] * 4


@pytest.fixture
def start(tmp_path: Path) -> str:
    return str(train("mini", "few", tmp_path / "start", settings={**TINY, "epochs": 1}, device="cpu"))


def answers_in_turn(monkeypatch: pytest.MonkeyPatch, *told: list[bool]) -> None:
    """The probe gives these answers, one list a measurement, the last one for ever."""
    coming: Iterator[list[bool]] = iter(told)
    monkeypatch.setattr(source.KnnProbe, "correct", lambda *_: next(coming, told[-1]))


def rates_of(folder: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {line["step"]: line["lr"] for line in lines if "lr" in line}


def assert_teacher_of(folder: Path, other: Path) -> None:
    ours, theirs = load(folder)["teacher"], load(other)["teacher"]
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_the_guard_tells_a_fall_from_chance():
    guard = StartGuard(start=[True] * 80 + [False] * 20)
    assert guard.fall([True] * 79 + [False] * 21) == ""
    assert "against the start's 80.00%" in guard.fall([True] * 40 + [False] * 60)
    guard.falls = 2
    assert guard.rate == 0.25
    assert not guard.is_blind
    assert StartGuard(start=[True] * 2 + [False] * 98).is_blind


def test_a_fall_brings_the_best_weights_back_and_halves_the_rates(tmp_path, start, monkeypatch, capsys):
    whole = train("mini", "few", tmp_path / "whole", settings={**GUARDED, "init": start, "guard": "off", "lr": 0.01})
    better = [True] * 15 + [False]
    answers_in_turn(monkeypatch, GOOD, better, BAD, better)  # start, epochs 1, 2, and from 3 on
    run = train("mini", "few", tmp_path / "run", settings={**GUARDED, "init": start, "lr": 0.01, "keep_every": 1})
    said = capsys.readouterr().err
    assert "the start is the floor: 87.50%" in said
    assert "warning: fall 1: 25.00%, -62.50 points" in said
    assert "back to the best checkpoint (93.75%), rates halved" in said
    assert said.rstrip().endswith("the difference is within chance")
    assert_teacher_of(run / "checkpoint0002.pth", run / "checkpoint0001.pth")
    full, halved = rates_of(whole), rates_of(run)
    assert all(halved[step] == full[step] * (0.5 if step > 4 else 1) for step in range(1, 13))


def test_three_falls_end_the_run_at_the_start(tmp_path, start, monkeypatch, capsys):
    answers_in_turn(monkeypatch, GOOD, BAD)
    settings = {**GUARDED, "init": start, "lr": 0.01}
    with pytest.raises(
        RunFailedError, match=r"stopped after 3 falls; .*best.pth holds .* the start was better: use it"
    ):
        train("mini", "few", tmp_path / "run", settings=settings)
    assert capsys.readouterr().err.count("warning: fall") == 3
    assert load(tmp_path / "run/checkpoint.pth")["iteration"] == 6  # epochs of two steps
    assert_teacher_of(tmp_path / "run/checkpoint.pth", Path(start) / "checkpoint.pth")
    with pytest.raises(InputError, match="was ended by its guard"):
        train("mini", "few", tmp_path / "run", settings=settings)


def test_a_loss_that_is_not_finite_is_taken_back_too(tmp_path, start, monkeypatch, capsys):
    answers_in_turn(monkeypatch, GOOD)
    step, steps = training_run.Learner.step, []

    def broken_once(self, batch, settings):
        steps.append(None)
        if len(steps) == 5:
            batch = [[views * float("inf") for views in part] for part in batch]
        return step(self, batch, settings)

    monkeypatch.setattr(training_run.Learner, "step", broken_once)
    run = train("mini", "few", tmp_path / "run", settings={**GUARDED, "init": start})
    assert "warning: fall 1: the loss is nan at step 4" in capsys.readouterr().err
    state = load(run / "checkpoint.pth")
    assert (state["iteration"], state["progress"]["guard"]["falls"]) == (12, 1)
    assert all(value.isfinite().all() for value in state["teacher"].values())


def test_a_run_that_fell_goes_on_to_the_bit(tmp_path, start, monkeypatch):
    settings = {**GUARDED, "init": start, "lr": 0.01, "save_minutes": 1e-9}
    answers_in_turn(monkeypatch, GOOD, BAD, GOOD)
    whole = train("mini", "few", tmp_path / "whole", settings=settings)
    save = training_run.TrainingRun._save_checkpoint

    def killed(self: training_run.TrainingRun) -> None:
        save(self)
        if self.step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        answers_in_turn(monkeypatch, GOOD, BAD)
        patched.setattr(training_run.TrainingRun, "_save_checkpoint", killed)
        train("mini", "few", tmp_path / "cut", settings=settings)
    answers_in_turn(monkeypatch, GOOD)
    assert_teacher_of(
        train("mini", "few", tmp_path / "cut", settings=settings) / "checkpoint.pth", whole / "checkpoint.pth"
    )
    assert rates_of(tmp_path / "cut") == rates_of(whole)


def test_views_that_blank_images_do_not_hide_from_the_probe_by_views(start):
    chosen = load_recipe("continue-small", {**GUARDED, "init": start, "guard": "views"})
    blank = dataclasses.replace(chosen, global_scale=(1e-4, 1e-4), local_scale=(1e-4, 1e-4))
    probes, backbone = [_probe_of(recipe) for recipe in (chosen, blank)], load_backbone(start).backbone
    assert probes[0].correct(backbone) == probes[1].correct(backbone)
    assert probes[1].views[BatchRequest(0, (0,))][0].float().std() > 1


def _probe_of(recipe: Recipe) -> source.ViewProbe:
    probe = source.open_source(recipe, "few", torch.device("cpu")).probe
    assert isinstance(probe, source.ViewProbe)
    return probe


def test_a_collapse_of_rank_that_the_views_miss_is_a_fall(tmp_path, start, monkeypatch, capsys):
    settings = {**GUARDED, "init": start, "guard": "views"}
    tokens, untouched = source.ViewProbe._tokens, []

    def flattened(self, backbone, part):
        first = tokens(self, backbone, part)[0]
        untouched.append(None)
        if len(untouched) == 1:  # the start
            return first, first
        angles = torch.linspace(0, 3, len(first))  # on one circle, where each view still finds the other
        circle = torch.zeros_like(first)
        circle[:, 0], circle[:, 1] = angles.cos(), angles.sin()
        return circle, circle

    monkeypatch.setattr(source.ViewProbe, "_tokens", flattened)
    with pytest.raises(RunFailedError, match="stopped after 3 falls"):
        train("mini", "few", tmp_path / "run", settings=settings)
    said = capsys.readouterr().err
    assert "the start is the floor: 100.00%, features that fill" in said
    assert "warning: fall 1: the features fill 2.0 directions (RankMe), less than half of the start's" in said
    logged = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [line["knn"] for line in logged if "rankme" in line] == [100] * 4


def test_better_answers_of_a_collapsed_rank_are_not_the_best():
    guard = StartGuard(start=BAD, rank=10.0)
    assert guard.rank_fall(5.1) == guard.rank_fall(None) == ""
    watch = FeatureWatch(None, guarded=False)
    watch.guard, watch.rank = guard, 4.9
    assert not watch.is_best(100.0)
    watch.rank = 5.1
    assert watch.is_best(100.0)
