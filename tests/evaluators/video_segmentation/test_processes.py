"""Two processes share the sequences and agree with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch.distributed as dist
import torch.multiprocessing as mp

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
        assert metrics == pytest.approx(alone.metrics)
        assert (images, warnings) == (alone.images, sorted(alone.warnings))
    masks = sorted(path.relative_to(tmp_path / "both") for path in (tmp_path / "both").glob("masks/*/*.png"))
    assert masks == sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").glob("masks/*/*.png"))
