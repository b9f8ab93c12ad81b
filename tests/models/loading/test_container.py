"""Checkpoint files of every container, and forty ways in which one can be broken or hostile."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dinobench.models.loading.container import open_container
from dinobench.models.loading.model_paths import checkpoint_path
from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import InputError
from tests.models.broken_files import BROKEN, saved, vit
from tests.models.checkpoints import other, prefixed


class Harmless:
    """Some object of the user's own."""

    def __init__(self) -> None:
        self.rate = 0.1


def test_the_same_tensors_have_one_digest_in_every_container(tmp_path: Path) -> None:
    state = vit()
    saved(state, tmp_path / "a.pth")
    saved({"teacher": prefixed(state, "module.backbone.")}, tmp_path / "b.ckpt")
    saved(state, tmp_path / "c.bin", _use_new_zipfile_serialization=False)
    save_file(state, tmp_path / "d.safetensors")
    np.savez(tmp_path / "e.npz", **{key: value.numpy() for key, value in state.items()})
    loaded = [load_backbone(str(path)) for path in sorted(tmp_path.iterdir())]
    assert len(loaded) == 5
    assert len({model.sha256 for model in loaded}) == 1


def test_the_suffix_does_not_matter(tmp_path: Path) -> None:
    save_file(vit(), tmp_path / "weights.pth")
    assert open_container(tmp_path / "weights.pth").kind == "safetensors"


def test_training_arguments_and_foreign_objects_do_no_harm(tmp_path: Path) -> None:
    content = {"model": vit(), "args": Namespace(lr=np.float64(0.1)), "extra": Harmless(), "path": Path("/a")}
    path = saved(content, tmp_path / "full.pth")
    loaded = load_backbone(str(path))
    assert any("Harmless" in name for name in loaded.report.ignored)


# Each takes a folder and writes a file there; the second entry is what the one line must say.


def test_there_are_forty() -> None:
    assert len(BROKEN) >= 40


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    make, message = BROKEN[name]
    path = make(tmp_path)
    with pytest.raises(InputError) as caught:
        load_backbone(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "mark").exists()


def test_half_precision_is_cast_and_said(tmp_path: Path) -> None:
    state = vit()
    path = saved({key: value.half() for key, value in state.items()}, tmp_path / "half.pth")
    loaded = load_backbone(str(path))
    assert set(loaded.report.changed.values()) == {"float16 to float32"}
    assert next(loaded.backbone.parameters()).dtype == torch.float32


def test_tensors_beside_the_backbone_are_dropped_and_named(tmp_path: Path) -> None:
    path = saved(vit() | {"my_counter.weight": torch.ones(2), "head.weight": torch.ones(2, 128)}, tmp_path / "x.pth")
    report = load_backbone(str(path)).report
    assert report.dropped == {"my_counter.weight": "not part of the backbone", "head.weight": "head"}


def test_a_missing_role_is_refused(tmp_path: Path) -> None:
    path = saved({"teacher": vit()}, tmp_path / "x.pth")
    with pytest.raises(InputError, match="holds no student weights"):
        load_backbone(str(path), settings={"weights": "student"})
    with pytest.raises(InputError, match="holds no both weights, only those under"):
        load_backbone(str(path), settings={"weights": "both"})


def test_which_checkpoint_must_be_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither last nor best"):
        checkpoint_path(str(tmp_path), "first")


def test_a_users_own_family(tmp_path: Path) -> None:
    state = {f"trunk/{key.replace('.', '/')}": value for key, value in other().items()}
    path = saved(state, tmp_path / "own.pth")
    (tmp_path / "own.py").write_text(
        "from dinobench.models.loading.family import Family, KeyLayout\n"
        "from dinobench.models.key_layouts import vit\n"
        "def translate(conversion):\n"
        "    conversion.rename('/', '.')\n"
        "    vit.translate(conversion)\n"
        "layout = KeyLayout('mine', ('patch_embed/proj/weight',), translate, vit.build)\n"
        "FAMILY = Family(name='mine', title='my own', layouts=(layout,))\n"
    )
    with pytest.raises(InputError, match="family_file=FILE"):
        load_backbone(str(path))
    loaded = load_backbone(str(path), settings={"family_file": str(tmp_path / "own.py")})
    assert loaded.family == "mine"
    assert torch.equal(loaded.backbone.norm.weight, other()["norm.weight"])


@pytest.mark.parametrize("code", ["", "FAMILY = 3", "import nothing_of_that_name", "("])
def test_a_bad_family_file_is_one_line(code: str, tmp_path: Path) -> None:
    path = saved(vit(), tmp_path / "x.pth")
    (tmp_path / "own.py").write_text(code)
    with pytest.raises(InputError, match="family file") as caught:
        load_backbone(str(path), settings={"family_file": str(tmp_path / "own.py")})
    assert "\n" not in str(caught.value)
