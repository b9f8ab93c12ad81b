from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from dinobench.evaluators.finetune import loop
from dinobench.runtime.errors import InputError
from dinobench.runtime.signals import StoppedError
from tests.evaluators.finetune.toys import recipe, run, train, weights

MIXED = {"mixup": 0.8, "cutmix": 1.0, "erasing": 0.5, "drop_path": 0.2, "repeats": 2}


class _KilledError(Exception):
    pass


def test_it_learns(tmp_path: Path) -> None:
    tuned = train(recipe(epochs=12, lr=3e-3), tmp_path)
    history = tuned.progress.history
    assert [entry["epoch"] for entry in history] == list(range(1, 13))
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    assert history[-1]["test"] == 100.0


@pytest.mark.parametrize("parts", [{}, MIXED, {"ema_decay": 0.9}, {"optimizer": "sgd", "lr": 0.05}])
@pytest.mark.parametrize("stop_after", [3, 5])
def test_a_run_stopped_anywhere_goes_on_to_the_same_weights(
    parts: dict[str, Any], stop_after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    how = recipe(**parts)
    whole = train(how, tmp_path / "whole")
    path = tmp_path / "cut" / "checkpoint.pth"
    first = run(how)
    take_step = first._accumulate_gradients

    def update(batch: loop.Batch) -> None:
        if batch.step == stop_after:
            raise _KilledError
        take_step(batch)

    monkeypatch.setattr(first, "_accumulate_gradients", update)
    with pytest.raises(_KilledError):
        first.run(path, {})
    second = run(how, seed=0)
    torch.nn.init.zeros_(second.model.head.weight)  # whatever it starts with, the checkpoint's weights count
    second.run(path, {})
    assert torch.equal(weights(second), weights(whole))
    assert second.progress.history == whole.progress.history
    assert torch.equal(second.progress.predictions, whole.progress.predictions)


def test_a_signal_stops_after_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cut" / "checkpoint.pth"
    first = run(recipe())
    take_step = first._accumulate_gradients

    def update(batch: loop.Batch) -> None:
        if batch.step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        take_step(batch)

    monkeypatch.setattr(first, "_accumulate_gradients", update)
    with pytest.raises(StoppedError, match="stopped at step 2"):
        first.run(path, {})
    second = run(recipe())
    second.run(path, {})
    assert torch.equal(weights(second), weights(train(recipe(), tmp_path / "whole")))


def test_every_epoch_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tuned = train(recipe(epochs=2), tmp_path)
    lines = capsys.readouterr().err.splitlines()
    last = tuned.progress.history[-1]
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]
    assert lines[-1].endswith(f"loss {last['loss']:.4f}  top-1 {last['test']:.2f}%")


def test_without_resuming_a_run_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    run(recipe()).run(path, {"seed": 0})
    again = run(recipe(epochs=1))
    again.run(path, {"seed": 1}, resume=False)
    assert len(again.progress.history) == 1
    with pytest.raises(InputError, match="seed was 1 and is 2"):
        run(recipe()).run(path, {"seed": 2})


@pytest.mark.parametrize("parts", [{}, {"mixup": 0.8, "cutmix": 1.0, "erasing": 0.5}])
def test_pieces_of_a_batch_add_up_to_the_whole(parts: dict[str, Any], tmp_path: Path) -> None:
    how = recipe(**parts)
    whole, pieces = (weights(train(how, tmp_path, batch_size=size)) for size in (8, 3))
    torch.testing.assert_close(pieces, whole, rtol=1e-3, atol=1e-5)


def test_the_seed_decides(tmp_path: Path) -> None:
    first, again, other = (weights(train(recipe(**MIXED), tmp_path, seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    "parts",
    [
        {"mixup": 0.8},
        {"cutmix": 1.0},
        {"smoothing": 0.3},
        {"erasing": 0.9},
        {"drop_path": 0.5},
        {"repeats": 2},
        {"clip_norm": 0.01},
        {"layer_decay": 0.5},
        {"weight_decay": 0.9},
        {"head_scale": 1.0},
        {"crop_scale": (1.0, 1.0)},
        {"schedule": "epoch"},
    ],
    ids=str,
)
def test_no_part_of_a_recipe_is_dead(parts: dict[str, Any], tmp_path: Path) -> None:
    base = recipe(epochs=2)
    assert not torch.equal(weights(train(base, tmp_path)), weights(train(recipe(epochs=2, **parts), tmp_path)))


def test_averaged_weights_are_the_ones_scored(tmp_path: Path) -> None:
    tuned = train(recipe(ema_decay=0.5), tmp_path)
    averaged = dict(tuned.scored_model().named_parameters())["head.weight"]
    assert not torch.equal(averaged, tuned.model.head.weight)
    assert tuned.scored_model() is not tuned.model
    plain = train(recipe(), tmp_path)
    assert plain.scored_model() is plain.model


def test_bf16_trains_too_and_keeps_float32_weights(tmp_path: Path) -> None:
    tuned = train(recipe(), tmp_path, precision="bf16")
    exact = train(recipe(), tmp_path)
    assert weights(tuned).dtype == torch.float32
    assert not torch.equal(weights(tuned), weights(exact))
    torch.testing.assert_close(weights(tuned), weights(exact), rtol=0.1, atol=0.02)


def test_the_best_epoch_is_chosen_on_the_held_out_images(tmp_path: Path) -> None:
    tuned = train(recipe(epochs=4), tmp_path, held_out=True)
    done = tuned.progress
    held = [entry["held_out"] for entry in done.history]
    assert done.best_epoch == held.index(max(held)) + 1
    assert done.best_predictions.shape == (9, 3)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"loss became .* use a lower --set lr="):
        train(recipe(optimizer="sgd", lr=1e20), tmp_path)


def test_images_are_erased_before_groups_of_them_are_mixed() -> None:
    tuned, calls = run(recipe(mixup=0.8, erasing=0.5, mix_group=4)), []

    def erase(images: torch.Tensor) -> torch.Tensor:
        calls.append(("erase", len(images)))
        return images

    def mix(images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(("mix", len(images)))
        return images, torch.nn.functional.one_hot(labels, 3).float()

    tuned._erasing, tuned._mixup = erase, mix  # type: ignore[assignment]
    images, labels = tuned._inputs_and_targets(next(tuned._train_batches()))
    assert calls == [("erase", 8), ("mix", 4), ("mix", 4)]
    assert (len(images), labels.shape) == (8, (8, 3))
