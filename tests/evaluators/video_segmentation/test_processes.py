"""Two processes share the sequences and agree with one."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import pytest
import torch.distributed as dist
import torch.multiprocessing as mp

from dinobench.evaluators.video_segmentation import evaluate as module
from dinobench.evaluators.video_segmentation.evaluate import evaluate
from tests.evaluators.toys import context
from tests.evaluators.videos import write_davis

SETTINGS = {"image_size": 64, "pictures": False}


def work(rank: int, data: str, output: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{output}/meeting", rank=rank, world_size=2)
    scores = evaluate(context("davis", "paper", Path(data), Path(output), model="random:vit_mini/4", **SETTINGS))
    (Path(output) / f"{rank}.json").write_text(json.dumps([scores.metrics, scores.images, sorted(scores.warnings)]))
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_score_as_one(tmp_path: Path) -> None:
    data = write_davis(tmp_path / "data", ["one", "two", "three", "bad"], frames=4)
    (data / "Annotations/480p/bad/00002.png").unlink()
    (tmp_path / "both").mkdir()
    mp.spawn(work, (str(data), str(tmp_path / "both")), nprocs=2)
    alone = evaluate(context("davis", "paper", data, tmp_path / "one", model="random:vit_mini/4", **SETTINGS))
    for rank in (0, 1):
        metrics, images, warnings = json.loads((tmp_path / "both" / f"{rank}.json").read_text())
        assert metrics == alone.metrics
        assert (images, warnings) == (alone.images, sorted(alone.warnings))
    masks = sorted(path.relative_to(tmp_path / "both") for path in (tmp_path / "both").glob("masks/*/*.png"))
    assert masks == sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").glob("masks/*/*.png"))


def _killed_after(sequences: int, data: Path, output: Path) -> None:
    followed, track_objects = [], module.track_objects

    def die(*arguments: object) -> object:
        followed.append(None)
        return os._exit(9) if len(followed) > sequences else track_objects(*arguments)  # type: ignore[arg-type]

    module.track_objects = die  # type: ignore[assignment]
    evaluate(context("davis", "paper", data, output, model="random:vit_mini/4", **SETTINGS))


def _count_follows(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names, track_objects = [], module.track_objects
    monkeypatch.setattr(
        module, "track_objects", lambda video, *rest: names.append(video.name) or track_objects(video, *rest)
    )
    return names


def test_a_killed_run_goes_on_after_the_sequences_that_it_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_davis(tmp_path / "data", ["one", "two", "three"], frames=4)
    killed = multiprocessing.get_context("fork").Process(target=_killed_after, args=(2, data, tmp_path / "killed"))
    killed.start()
    killed.join(60)
    assert killed.exitcode == 9
    whole = evaluate(context("davis", "paper", data, tmp_path / "whole", model="random:vit_mini/4", **SETTINGS))
    again = _count_follows(monkeypatch)
    resumed = evaluate(context("davis", "paper", data, tmp_path / "killed", model="random:vit_mini/4", **SETTINGS))
    assert again == ["three"]
    assert (resumed.metrics, resumed.intervals, resumed.details) == (whole.metrics, whole.intervals, whole.details)


@pytest.mark.parametrize("fault", ["another model", "another setting", "damaged"])
def test_masks_of_another_run_and_damaged_ones_are_made_anew(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_davis(tmp_path / "data", ["one"], frames=4)
    evaluate(context("davis", "paper", data, tmp_path / "out", model="random:vit_mini/4", **SETTINGS))
    again, changes = _count_follows(monkeypatch), {**SETTINGS, "topk": 3} if fault == "another setting" else SETTINGS
    if fault == "damaged":
        kept = tmp_path / "out/unfinished/one.npz"
        kept.write_bytes(kept.read_bytes()[:200])
    model = "random:vit_mini/8" if fault == "another model" else "random:vit_mini/4"
    evaluate(context("davis", "paper", data, tmp_path / "out", model=model, **changes))
    assert again == ["one"]
