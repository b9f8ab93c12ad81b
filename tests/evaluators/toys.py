"""Tiny data sets in the layouts of the ranking tasks, and a context to score them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dinobench.cards import load_tasks
from dinobench.data.registry import get_twin
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.models.loading.loaded import LoadedBackbone
from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.settings import resolve
from tests.group import in_processes


def twin_fixture(name: str) -> Any:
    """A fixture for a module: the folder of a data set's drawn twin; bind it to the name `twin`."""

    @pytest.fixture(scope="module")
    def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
        root = tmp_path_factory.mktemp(name)
        get_twin(name).write(root)
        return root

    return twin


def assert_processes_agree(evaluated: Callable[..., Scores], *arguments: object, **settings: object) -> None:
    """Two processes give the figures and intervals of one; the function is one of a module, to be pickled."""
    alone = evaluated(*arguments, **settings)
    for scores in in_processes(_evaluated_in, 2, evaluated, arguments, settings):
        assert (scores.metrics, scores.intervals) == (alone.metrics, alone.intervals)


def _evaluated_in(
    number: int, evaluated: Callable[..., Scores], arguments: tuple[object, ...], settings: dict[str, object]
) -> Scores:
    return evaluated(*arguments, **settings)


def picture(seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """A smooth random image: the same seed gives the same scene at any size."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def write_revisitop(root: Path, scenes: int = 3) -> Path:
    """`scenes` scenes with an easy and a hard view, a junk one and a query each, the query's scene in a corner."""
    folder = root / "roxford5k"
    (folder / "jpg").mkdir(parents=True)
    names, truth = [], []
    for scene in range(scenes):
        for view, size in (("easy", (48, 40)), ("hard", (40, 33)), ("junk", (60, 50))):
            names.append(f"scene{scene}_{view}")
            image = picture(scene, size) if view != "hard" else picture(scene, size).rotate(4)
            image.save(folder / "jpg" / f"{names[-1]}.jpg")
        page = Image.new("RGB", (90, 60), "white")
        page.paste(picture(scene), (10, 5))
        page.save(folder / "jpg" / f"query{scene}.jpg")
        ids = range(3 * scene, 3 * scene + 3)
        truth.append(
            {"bbx": [10.0, 5.0, 58.0, 45.0], **{g: [i] for g, i in zip(("easy", "hard", "junk"), ids, strict=True)}}
        )
    content = {"gnd": truth, "imlist": names, "qimlist": [f"query{scene}" for scene in range(scenes)]}
    (folder / "gnd_roxford5k.pkl").write_bytes(pickle.dumps(content, protocol=2))
    return folder


def write_copydays(root: Path, originals: int = 4) -> Path:
    """Originals, one strong copy of each, two JPEG qualities and a crop."""
    folder = root / "copydays"
    for block in ("original", "strong", "jpegqual/3", "jpegqual/75", "crops/50"):
        (folder / block).mkdir(parents=True)
    for index in range(originals):
        image, name = picture(index), f"{2000 + index}00.jpg"
        image.save(folder / "original" / name, quality=95)
        image.rotate(8).convert("L").save(folder / "strong" / name.replace("00.jpg", "01.jpg"))
        for quality in (3, 75):
            image.save(folder / f"jpegqual/{quality}" / name, quality=quality)
        image.crop((6, 6, 42, 34)).save(folder / "crops/50" / name)
    return folder


def context(
    task: str, protocol: str, data: Path, output: Path, model: str = "pixels", **settings: Any
) -> EvaluationContext[Any]:
    """What the pipeline would hand to the evaluator."""
    card = load_tasks()[task]
    return EvaluationContext(
        task=task,
        model=load_backbone(model),
        data=str(data),
        layout=card.layout,
        settings=resolve(card.settings_type, settings, task, card.protocol(protocol).settings),
        output=output,
        device=torch.device("cpu"),
    )


def overflow(model: LoadedBackbone) -> None:
    """Give a vision transformer weights that are finite and whose products are not."""
    weight = dict(model.backbone.named_parameters())["blocks.0.attn.qkv.weight"]
    with torch.no_grad():
        weight.fill_(1e30)
