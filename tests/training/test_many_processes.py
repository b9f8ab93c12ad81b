from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from dinobench.cli.main import main
from dinobench.data.dataset import ImageSet, from_arrays
from dinobench.models.loading.spec import load_backbone
from dinobench.pipeline import early
from dinobench.runtime.errors import InputError, ProcessError, RunFailedError
from dinobench.training import build, probe, run, source, training_run
from dinobench.training.checkpoints import load
from dinobench.training.run import train
from tests.group import LACKS_MEMORY, in_processes
from tests.training.test_run import TINY


def drawn(spec: str, split: str = "train", *_) -> ImageSet:
    seed = {"few": 0, "other": 7}[spec] + (split == "val")
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 20, 20, 3), dtype=np.uint8)
    names = [f"{spec}/{split}/{index}" for index in range(16)]
    return from_arrays(spec, pixels, np.arange(16) % 2, ["a", "b"], names)


def trained(rank: int, folder: Path, own: bool = False, data: str = "few", **changes: object) -> Path:
    """A training whose folder is each process's own, or the data of the second process."""
    place = folder / str(rank) if own else folder
    source.open_dataset = source.open_training = drawn
    return train("mini", data if rank else "few", place, settings={**TINY, **changes}, device="cpu")


def with_changes(rank: int, folder: Path, changes: dict[str, object]) -> Path:
    return trained(rank, folder, **changes)


def teacher(folder: Path) -> dict[str, torch.Tensor]:
    return load(folder / "checkpoint.pth")["teacher"]


def assert_equal(one: Path, other: Path) -> None:
    ours, theirs = teacher(one), teacher(other)
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())


def stop_at_4(rank: int, folder: Path) -> Path:
    step, steps = training_run.Learner.step, []

    def stopping(self, batch, settings):
        steps.append(None)
        if len(steps) == 5:
            raise KeyboardInterrupt
        return step(self, batch, settings)

    training_run.Learner.step = stopping
    return trained(rank, folder, own=True)


def test_processes_go_on_together_though_one_has_no_checkpoint(tmp_path):
    in_processes(trained, 2, tmp_path / "whole")
    in_processes(stop_at_4, 2, tmp_path / "run")
    assert load(tmp_path / "run/0/checkpoint.pth")["iteration"] == 4
    assert not (tmp_path / "run/1/checkpoint.pth").exists()
    assert load(tmp_path / "run/0/checkpoint.pth")["processes"] == 2
    assert in_processes(trained, 2, tmp_path / "run", True) == [tmp_path / "run/0", tmp_path / "run/1"]
    assert_equal(tmp_path / "run/0", tmp_path / "whole")


def probed(rank: int, start: str, batch: int) -> list[object]:
    """What both kinds of probe say of one network."""
    probe.BATCH, source.open_dataset, source.open_training = batch, drawn, drawn
    found: list[object] = []
    for guard in ("off", "views"):
        recipe = run.load_recipe(
            "continue-small", {**TINY, "architecture": "", "epochs": 6, "init": start, "knn_every": 1, "guard": guard}
        )
        asked = source.open_source(recipe, "few", torch.device("cpu")).probe
        backbone = load_backbone(start).backbone
        found += [asked(backbone), asked.correct(backbone)]
    return found


def test_processes_share_the_probe_and_measure_as_one(tmp_path):
    start = "random:vit_mini/4"
    (alone,) = in_processes(probed, 1, start, 3)
    assert 0 < alone[0] < 100
    assert in_processes(probed, 4, start, 3) == [alone] * 4


def test_a_probe_keeps_the_best_weights(tmp_path):
    assert in_processes(with_changes, 2, tmp_path / "run", {"knn_every": 1}) == [tmp_path / "run"] * 2
    assert (tmp_path / "run/best.pth").is_file()


def other_queries(rank: int, folder: Path) -> Path:
    source.open_dataset = lambda spec, split: drawn("other" if rank else spec, split)
    source.open_training = drawn
    return train("mini", "few", folder, settings={**TINY, "knn_every": 1}, device="cpu")


def test_other_images_of_the_probe_in_one_process_are_refused_by_all(tmp_path):
    found = in_processes(other_queries, 2, tmp_path / "run")
    assert all("what the probe measures differs between processes" in str(error) for error in found), found


def described(rank: int, alike: bool = True) -> tuple[int, str]:
    source.open_dataset = source.open_training = drawn
    early.refuse_early = lambda **_: None  # which knows no data set of this name
    words = ["train", "--data", "few", "--device", "cpu", "--dry-run", "--set", "teacher_temp=0.08"]
    settings = TINY if alike else {**TINY, "seed": rank}
    said = CliRunner().invoke(main, words + [f"--set={key}={value}" for key, value in settings.items()])
    return said.exit_code, said.output


def test_what_a_run_would_do_is_said_once_and_for_the_share_of_a_process():
    (code, said), others = in_processes(described, 2)
    assert code == 0, said
    assert "in each of 2 processes" in said and "teacher_temp" in said
    assert others == (0, "")


def test_a_dry_run_refuses_other_settings_in_one_process():
    for code, said in in_processes(described, 2, False):
        assert code == 2
        assert said.startswith("Error: the recipe with its settings differs between processes: seed = 0 in process 0")


def test_other_data_in_one_process_are_refused_by_all(tmp_path):
    found = in_processes(trained, 2, tmp_path / "run", False, "other")
    assert all(isinstance(error, InputError) for error in found), found
    assert "training data" in str(found[0]) and "give all processes the same images" in str(found[0])
    assert not (tmp_path / "run/checkpoint.pth").exists()


def other_seed(rank: int, folder: Path) -> Path:
    return trained(rank, folder, seed=rank)


def test_other_settings_in_one_process_are_refused_by_all(tmp_path):
    found = in_processes(other_seed, 2, tmp_path / "run")
    for error in found:
        assert str(error).startswith(
            "the recipe with its settings differs between processes: seed = 0 in process 0, seed = 1 in process 1;"
        )


def from_other_files(rank: int, folder: Path, name: str) -> Path:
    """A start by a name that holds other weights in the second process, or by another name there."""
    source.open_dataset = source.open_training = drawn
    settings = {**TINY, "architecture": "", "init": name.format(rank), "head_epochs": 0, "guard": "off"}
    starts = {f"random:vit_mini/{patch}": load_backbone(f"random:vit_mini/{patch}") for patch in (4, 8)}
    return train(
        "continue-small",
        "few",
        folder,
        settings=settings,
        device="cpu",
        load_start=lambda spec, **_: starts[f"random:vit_mini/{4 << rank}"],
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("start.pth", "the network that init names differs between processes"),
        ("{}.pth", "differs between processes: init = 0.pth in process 0, init = 1.pth in process 1"),
    ],
)
def test_another_start_in_one_process_is_refused_by_all(name: str, words: str, tmp_path: Path) -> None:
    for error in in_processes(from_other_files, 2, tmp_path / "run", name):
        assert isinstance(error, InputError)
        assert words in str(error)
    assert not (tmp_path / "run").exists()


def ends_at_4(rank: int, folder: Path, killed: bool) -> Path:
    """The first process waits in the backward pass, in a collective that torch began by itself."""
    step, steps = training_run.Learner.step, []

    def ending(self, batch, settings):
        steps.append(None)
        if rank == 1 and len(steps) == 5:
            if killed:
                os._exit(9)
            raise MemoryError("8 GiB")
        return step(self, batch, settings)

    training_run.Learner.step = ending
    return trained(rank, folder)


@pytest.mark.parametrize(
    ("killed", "words"),
    [(True, "process 1 has ended without a word; see its output"), (False, LACKS_MEMORY)],
)
def test_a_process_that_ends_in_a_step_ends_the_other_with_one_line(killed: bool, words: str, tmp_path: Path) -> None:
    left, _ = in_processes(ends_at_4, 2, tmp_path / "run", killed)
    assert isinstance(left, ProcessError)
    assert str(left) == words


def one_diverges(rank: int, folder: Path) -> Path:
    if rank == 1:
        training_run.Learner.is_finite = lambda self: False
    return trained(rank, folder)


def test_weights_that_are_not_finite_in_one_process_end_all(tmp_path):
    found = in_processes(one_diverges, 2, tmp_path / "run")
    assert all(isinstance(error, RunFailedError) for error in found), found


def in_default_folder(rank: int) -> Path:
    run.default_folder = lambda recipe: Path(f"runs/{recipe}-{rank}")
    source.open_dataset = source.open_training = drawn
    return train("mini", "few", settings={**TINY, "epochs": 1}, device="cpu")


def test_the_first_process_chooses_the_run_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert in_processes(in_default_folder, 2) == [Path("runs/mini-0")] * 2


def averaged(rank: int) -> float:
    learner = build.build_learner(run.load_recipe("mini", {**TINY, "head_batch_norm": True}), torch.device("cpu"))
    for network in (learner.student, learner.teacher):
        for buffer in network.buffers():
            buffer.fill_(rank)
    learner.average_statistics()
    means = {float(buffer.mean()) for buffer in learner.teacher.buffers() if buffer.is_floating_point()}
    (mean,) = means
    return mean


def test_batch_norm_statistics_are_the_mean_over_processes():
    assert in_processes(averaged, 2) == [0.5, 0.5]


def with_unused_parameters(rank: int, folder: Path) -> Path:
    plain = build.build_backbone

    def with_another_layer(*arguments, **options):
        backbone = plain(*arguments, **options)
        backbone.unused = torch.nn.Linear(3, 3)
        return backbone

    build.build_backbone = with_another_layer
    return trained(rank, folder)


def test_a_backbone_with_parameters_that_nothing_reads_trains(tmp_path):
    assert in_processes(with_unused_parameters, 2, tmp_path / "run") == [tmp_path / "run"] * 2
    assert load(tmp_path / "run/checkpoint.pth")["iteration"] == 6
