from __future__ import annotations

import json
import os
import resource
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from dinobench.data.dataset import ImageSet, from_arrays
from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import InputError, RunFailedError
from dinobench.runtime.signals import StoppedError
from dinobench.training import source, training_run, verdict
from dinobench.training.checkpoints import keep_last_good, load
from dinobench.training.diagnostics import Diagnosis
from dinobench.training.recipe_files import load_recipe
from dinobench.training.run import train
from dinobench.training.run_folder import hold_run_folder
from dinobench.training.training_run import TrainingRun

TINY = {
    "architecture": "vit_mini/8",
    "drop_path": 0.0,
    "global_size": 16,
    "local_size": 8,
    "local_crops": 2,
    "out_dim": 32,
    "head_hidden": 16,
    "head_bottleneck": 8,
    "batch_size": 8,
    "epochs": 3,
    "warmup_epochs": 1,
    "log_every": 1,
    "workers": 0,
    "knn_every": 0,
}


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    def opened(spec: str, split: str, layout: str | None = None) -> ImageSet:
        generator = np.random.default_rng(0 if split == "train" else 1)
        labels = np.arange(16) % 2
        pixels = generator.integers(0, 128, (16, 20, 20, 3), dtype=np.uint8) + labels[:, None, None, None] * 100
        return from_arrays(
            spec, pixels.astype(np.uint8), labels, ["dark", "light"], [f"{split}/{index}" for index in range(16)]
        )

    monkeypatch.setattr(source, "open_dataset", opened)
    monkeypatch.setattr(source, "open_training", lambda spec: opened(spec, "train"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = load(folder / "checkpoint.pth")
    return {
        **state["student"],
        **{f"teacher.{key}": value for key, value in state["teacher"].items()},
        **state["dino_loss"],
    }


def assert_equal(one: Path, other: Path, tolerance: float = 0.0) -> None:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        torch.testing.assert_close(
            value, theirs[key], rtol=0, atol=tolerance, msg=lambda text, key=key: f"{key}: {text}"
        )


def trained(folder: Path, **changes: object) -> Path:
    return train("mini", "few", folder, settings={**TINY, **changes}, device="cpu")


def test_checkpoint_has_the_released_layout(tmp_path):
    state = load(trained(tmp_path / "run") / "checkpoint.pth")
    assert {"student", "teacher", "optimizer", "epoch", "args", "dino_loss"} <= set(state)
    assert state["epoch"] == 3
    assert state["iteration"] == 6
    assert all(key.startswith(("module.backbone.", "module.head.")) for key in state["student"])
    assert all(key.startswith(("backbone.", "head.")) for key in state["teacher"])
    assert list(state["dino_loss"]) == ["center"]
    assert state["dino_loss"]["center"].shape == (1, 32)
    assert (state["args"]["arch"], state["args"]["patch_size"]) == ("vit_mini", 8)


def test_the_log_tells_every_step(tmp_path):
    folder = trained(tmp_path / "run", knn_every=1)
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line.get("kind") != "epoch"]
    assert [line["step"] for line in steps] == [1, 2, 3, 4, 5, 6]
    assert {"loss", "entropy", "kl", "lr", "grad_norm", "images_per_second"} <= set(steps[0])
    epochs = [line for line in lines if line.get("kind") == "epoch"]
    assert [line["epoch"] for line in epochs] == [0, 1, 2, 3]
    assert all(0 <= line["knn"] <= 100 for line in epochs)
    assert load(folder / "best.pth")["best"] == max(line["knn"] for line in epochs[1:])
    assert load(folder / "best.pth")["untrained"] == epochs[0]["knn"]


def test_a_run_killed_before_its_first_checkpoint_starts_its_log_anew(tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(training_run.Learner, "step", killed)
        trained(tmp_path / "run", knn_every=1)
    folder = trained(tmp_path / "run", knn_every=1)
    steps = [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert steps == [0, 1, 2, 2, 3, 4, 4, 5, 6, 6]


def test_resume_is_exact_wherever_it_stops(tmp_path, monkeypatch):
    whole = trained(tmp_path / "whole", drop_path=0.2, save_minutes=1e-9)
    for stop in (1, 2, 5):
        folder = tmp_path / f"stopped{stop}"
        settings = {**TINY, "drop_path": 0.2, "save_minutes": 1e-9}
        original = TrainingRun._save_checkpoint

        def save_and_stop(self: TrainingRun, stop: int = stop, original=original) -> None:
            original(self)
            if self.step == stop:
                raise KeyboardInterrupt

        monkeypatch.setattr(TrainingRun, "_save_checkpoint", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train("mini", "few", folder, settings=settings, device="cpu")
        monkeypatch.setattr(TrainingRun, "_save_checkpoint", original)
        assert load(folder / "checkpoint.pth")["iteration"] == stop
        train("mini", "few", folder, settings=settings, device="cpu")
        assert_equal(folder, whole)
        logged = [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]
        assert logged == [json.loads(line)["step"] for line in (whole / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("kind", ["adamw", "sgd", "lars"])
def test_accumulation_equals_one_batch(tmp_path, kind):
    one = trained(tmp_path / "one", optimizer=kind)
    four = trained(tmp_path / "four", optimizer=kind, accumulation=4)
    ours, theirs = weights(one), weights(four)
    for key in ours:
        keep = slice(None)
        if key.endswith("qkv.bias"):  # the key third's true gradient is 0: Adam follows rounding there
            third = len(ours[key]) // 3
            keep = torch.tensor([*range(third), *range(2 * third, 3 * third)])
        torch.testing.assert_close(ours[key][keep], theirs[key][keep], rtol=0, atol=1e-5)


def test_changed_settings_are_refused_on_resume(tmp_path):
    folder = trained(tmp_path / "run")
    with pytest.raises(InputError, match=r"epochs 3 -> 4.*every schedule would change"):
        trained(folder, epochs=4)
    with pytest.raises(InputError, match=r"flip_probability 0.5 -> 0.1\); it would not be the same run"):
        trained(folder, flip_probability=0.1)
    trained(folder, epochs=4, reschedule=True)
    assert load(folder / "checkpoint.pth")["iteration"] == 8


def test_a_held_directory_is_refused_without_resume(tmp_path):
    folder = trained(tmp_path / "run")
    with pytest.raises(InputError, match="already holds a run"):
        train("mini", "few", folder, resume=False, settings=TINY)


def test_foreign_checkpoint_is_refused(tmp_path):
    torch.save({"student": {}}, tmp_path / "checkpoint.pth")
    with pytest.raises(InputError, match="not a checkpoint of"):
        trained(tmp_path)


@pytest.mark.parametrize("kept", [0, 20, 5000, -100])
def test_a_damaged_checkpoint_is_called_so_and_the_best_one_goes_on(tmp_path, kept):
    folder = trained(tmp_path / "run", knn_every=1)
    last, best = folder / "checkpoint.pth", folder / "best.pth"
    last.write_bytes(last.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"is damaged \(.*copy .*best.pth over it .*or give another --output"):
        trained(folder, knn_every=1)
    last.write_bytes(best.read_bytes())
    assert load(trained(folder, knn_every=1) / "checkpoint.pth")["iteration"] == 6
    best.unlink()
    last.write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(InputError, match=r"is damaged \(\w+\); give another --output"):
        trained(folder)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    step = training_run.Learner.step

    def broken(self, batch, settings):
        if settings.momentum > 0.9975:  # from the second epoch on
            batch = [[views * float("inf") for views in batch[0]]]
        return step(self, batch, settings)

    monkeypatch.setattr(training_run.Learner, "step", broken)
    with pytest.raises(RunFailedError, match="the loss is nan at step"):
        trained(folder, momentum_teacher=0.99)
    state = load(folder / "checkpoint.pth")
    assert all(torch.isfinite(value).all() for value in state["student"].values())
    assert not list(folder.glob("*.tmp")) and not [path for path in folder.glob(".*") if path.name != ".lock"]


def test_collapse_stops_before_the_checkpoint_is_overwritten(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    seen: list[int] = []

    def sick(entropy: float, divergence: float, out_dim: int, *, past_warmup: bool):
        from dinobench.training.diagnostics import Diagnosis

        seen.append(len(seen))
        return Diagnosis("collapse to one dimension", "as tested", fatal=True) if len(seen) > 1 else None

    monkeypatch.setattr(verdict, "diagnose_collapse", sick)
    with pytest.raises(RunFailedError, match="collapse to one dimension"):
        trained(folder)
    assert load(folder / "checkpoint.pth")["epoch"] == 1
    seen.clear()
    other = trained(tmp_path / "other", on_collapse="continue")
    assert load(other / "last_good.pth")["epoch"] == 1
    assert load(other / "checkpoint.pth")["epoch"] == 3


def test_features_no_better_than_untrained_ones_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(source.KnnProbe, "__call__", lambda *_: 50.0)
    folder = trained(tmp_path / "run", knn_every=1, objective="mse")
    epochs = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines() if '"epoch", ' in line]
    named = {line["epoch"]: line.get("diagnosis") for line in epochs if line["kind"] == "epoch"}
    assert named == {0: None, 1: None, 2: None, 3: "does not learn"}  # not before twice the warm-up
    assert "no better than the 50.00% before training" in capsys.readouterr().err
    assert load(folder / "checkpoint.pth")["epoch"] == 3


def test_recipe_changes_reach_the_run(tmp_path):
    state = load(trained(tmp_path / "run", keep_every=2) / "checkpoint.pth")
    assert state["recipe"]["out_dim"] == 32
    assert (tmp_path / "run" / "checkpoint0002.pth").is_file()
    assert not (tmp_path / "run" / "checkpoint0001.pth").exists()
    assert load_recipe("mini", state["recipe"] and {"epochs": 5}).epochs == 5


def test_a_full_disk_is_one_line_and_leaves_the_checkpoint(tmp_path, monkeypatch):
    folder = trained(tmp_path / "run")
    before = (folder / "checkpoint.pth").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(InputError, match=r"cannot write .*checkpoint.pth: .*disk is probably full"):
            trained(folder, epochs=4, reschedule=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (folder / "checkpoint.pth").read_bytes() == before


def test_a_run_directory_is_a_model(tmp_path):
    folder = trained(tmp_path / "run")
    loaded = load_backbone(str(folder))
    assert (loaded.architecture, loaded.preprocessing.size) == ("vit_mini/8", 16)
    teacher = load(folder / "checkpoint.pth")["teacher"]
    ours = loaded.backbone.state_dict()
    assert all(torch.equal(value, teacher[f"backbone.{key}"]) for key, value in ours.items())


def signal_at(monkeypatch, step: int, number: int = signal.SIGTERM, factor: float = 1.0) -> None:
    """The signal during that step, whose views are multiplied."""
    original, steps = training_run.Learner.step, []

    def signalled(self, batch, settings):
        steps.append(None)
        if len(steps) == step:
            os.kill(os.getpid(), number)
            batch = [[views * factor for views in batch[0]]]
        return original(self, batch, settings)

    monkeypatch.setattr(training_run.Learner, "step", signalled)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_after_a_checkpoint_and_the_run_goes_on_exactly(tmp_path, monkeypatch, number):
    whole, folder = trained(tmp_path / "whole", drop_path=0.2), tmp_path / "stopped"
    signal_at(monkeypatch, 3, number)
    inherited = signal.signal(number, signal.default_int_handler)  # a background job begins with SIGINT ignored
    try:
        with pytest.raises(StoppedError, match="stopped at step 3") as stopped:
            trained(folder, drop_path=0.2)
        assert stopped.value.number == number
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, inherited)
    assert load(folder / "checkpoint.pth")["iteration"] == 3
    trained(folder, drop_path=0.2)
    assert_equal(folder, whole)


def test_a_folder_in_which_a_training_runs_is_refused(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with hold_run_folder(folder), pytest.raises(InputError, match="another training is writing into"):
        trained(folder)
    assert (trained(folder) / "checkpoint.pth").exists()


def test_the_checkpoint_before_a_trouble_is_kept_until_the_run_is_well(tmp_path, monkeypatch):
    sick_epochs: set[int] = set()

    def judged(recipe, epoch, means, **_):
        return Diagnosis("plateau", "as tested", fatal=False) if epoch in sick_epochs else None

    monkeypatch.setattr(training_run, "judge_epoch", judged)
    sick_epochs |= {2, 3}
    assert load(trained(tmp_path / "sick") / "last_good.pth")["epoch"] == 1
    sick_epochs -= {3}
    assert not (trained(tmp_path / "well") / "last_good.pth").exists()


def test_a_signal_saves_no_loss_that_is_not_finite(tmp_path, monkeypatch):
    signal_at(monkeypatch, 3, factor=float("inf"))
    with pytest.raises(RunFailedError, match="the loss is nan at step"):
        trained(tmp_path / "run", log_every=10)
    assert load(tmp_path / "run" / "checkpoint.pth")["iteration"] == 2


def test_a_signal_in_the_last_step_comes_too_late_to_stop(tmp_path, monkeypatch):
    signal_at(monkeypatch, 6)
    assert load(trained(tmp_path / "run") / "checkpoint.pth")["iteration"] == 6


def log_of(folder: Path) -> list[dict[str, object]]:
    """The lines of the log without what the clock gives."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("time", "images_per_second")} for line in lines]


@pytest.mark.parametrize(("stop", "log_every"), [(1, 1), (3, 2), (6, 4), (7, 10)])
def test_a_stopped_run_writes_the_log_of_the_undisturbed_one(tmp_path, monkeypatch, stop, log_every):
    settings = {"batch_size": 4, "log_every": log_every, "knn_every": 1}
    whole = trained(tmp_path / "whole", **settings)
    with monkeypatch.context() as patched:
        signal_at(patched, stop)
        with pytest.raises(StoppedError):
            trained(tmp_path / "stopped", **settings)
    assert log_of(trained(tmp_path / "stopped", **settings)) == log_of(whole)


def test_a_run_killed_within_an_epoch_writes_the_log_of_the_undisturbed_one(tmp_path, monkeypatch):
    settings = {"batch_size": 4, "save_minutes": 1e-9}
    whole, save = trained(tmp_path / "whole", **settings), TrainingRun._save_checkpoint

    def killed(self: TrainingRun) -> None:
        save(self)
        if self.step == 6:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(TrainingRun, "_save_checkpoint", killed)
        trained(tmp_path / "killed", **settings)
    assert log_of(trained(tmp_path / "killed", **settings)) == log_of(whole)


def test_the_last_good_checkpoint_is_copied_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    (tmp_path / "checkpoint.pth").write_bytes(b"good")
    assert keep_last_good(tmp_path)
    assert (tmp_path / "last_good.pth").read_bytes() == b"good"


@pytest.mark.parametrize("broken_step", [4, 6])
def test_weights_that_are_not_finite_are_never_saved(tmp_path, monkeypatch, broken_step):
    step, steps = training_run.Learner.step, []

    def overflowing(self, batch, settings):
        measured = step(self, batch, settings)
        steps.append(None)
        if len(steps) == broken_step:  # the update after a loss that was finite
            next(self.student.parameters()).data.fill_(float("nan"))
        return measured

    monkeypatch.setattr(training_run.Learner, "step", overflowing)
    with pytest.raises(RunFailedError, match=f"some weights are not finite after step {broken_step}; what was saved"):
        trained(tmp_path / "run", knn_every=1)
    state = load(tmp_path / "run" / "checkpoint.pth")
    assert state["iteration"] == broken_step - 2
    assert all(value.isfinite().all() for value in state["student"].values())


def test_a_checkpoint_that_unpacks_to_far_more_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "checkpoint.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(2**22))
    with pytest.raises(InputError, match=r"would unpack to .* did not write it; give another"):
        load(tmp_path / "checkpoint.pth")


def test_a_training_without_probe_says_why(tmp_path, monkeypatch, capsys):
    opened = source.open_dataset

    def without_val(spec, split, *_):
        if split == "val":
            raise InputError("there are no class folders in val/")
        return opened(spec, split)

    monkeypatch.setattr(source, "open_dataset", without_val)
    trained(tmp_path / "run", knn_every=1)
    assert "no k-NN probe of the training: there are no class folders in val/" in capsys.readouterr().err


def test_what_a_killed_training_left_half_written_is_removed(tmp_path):
    (tmp_path / ".checkpoint.pth.ab12.tmp").write_bytes(b"half")
    (tmp_path / ".log.jsonl.cd34.tmp").write_bytes(b"half")
    (tmp_path / "notes.tmp").write_bytes(b"the user's")
    with hold_run_folder(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "notes.tmp"]
