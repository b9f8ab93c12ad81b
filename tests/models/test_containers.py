"""Checkpoint files of every container, and forty ways in which one can be broken or hostile."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dinobench.models.checkpoints import checkpoint_path
from dinobench.models.containers import open_container
from dinobench.models.load import load_backbone
from dinobench.runtime.errors import InputError
from tests.models.checkpoints import other, prefixed, timm_vit

State = dict[str, torch.Tensor]


class Payload:
    """Pickles to a call that leaves a mark on the disk."""

    def __init__(self, mark: Path, function: Callable[..., object] = os.system) -> None:
        self.mark, self.function = mark, function

    def __reduce__(self) -> tuple[object, ...]:
        text = f"open({str(self.mark)!r}, 'w')" if self.function in (eval, exec) else f"touch {self.mark}"
        return self.function, (text,)


class Harmless:
    """Some object of the user's own."""

    def __init__(self) -> None:
        self.rate = 0.1


def vit() -> State:
    return {key: value.clone() for key, value in timm_vit().state_dict().items()}


def saved(content: object, path: Path, **options: object) -> Path:
    torch.save(content, path, **options)
    return path


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


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
BROKEN: dict[str, tuple[Callable[[Path], Path], str]] = {}


def broken(message: str) -> Callable[[Callable[[Path], Path]], Callable[[Path], Path]]:
    def register(function: Callable[[Path], Path]) -> Callable[[Path], Path]:
        BROKEN[function.__name__] = (function, message)
        return function

    return register


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@broken("is empty")
def empty(folder: Path) -> Path:
    return write(folder / "x.pth", b"")


@broken("no checkpoint")
def text(folder: Path) -> Path:
    return write(folder / "x.pth", b"just some notes\n")


@broken("no checkpoint")
def html_page(folder: Path) -> Path:
    return write(folder / "x.pth", b"<!DOCTYPE html><html>404 not found</html>")


@broken("no checkpoint")
def lfs_pointer(folder: Path) -> Path:
    return write(folder / "x.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


@broken("no checkpoint")
def jpeg(folder: Path) -> Path:
    return write(folder / "x.pth", b"\xff\xd8\xff\xe0" + bytes(64))


@broken("no checkpoint")
def zeros(folder: Path) -> Path:
    return write(folder / "x.pth", bytes(4096))


@broken("no such file")
def absent(folder: Path) -> Path:
    return folder / "absent.pth"


@broken("holds no checkpoint.pth")
def empty_folder(folder: Path) -> Path:
    return folder


@broken("truncated or damaged")
def truncated_torch(folder: Path) -> Path:
    return cut(saved(vit(), folder / "x.pth"), 0.5)


@broken("truncated or damaged")
def truncated_at_the_end(folder: Path) -> Path:
    return cut(saved(vit(), folder / "x.pth"), 0.999)


@broken("truncated or damaged")
def truncated_legacy(folder: Path) -> Path:
    return cut(saved(vit(), folder / "x.pth", _use_new_zipfile_serialization=False), 0.5)


@broken("truncated or damaged")
def truncated_safetensors(folder: Path) -> Path:
    save_file(vit(), folder / "x.safetensors")
    return cut(folder / "x.safetensors", 0.5)


@broken("truncated or damaged")
def safetensors_with_a_huge_header(folder: Path) -> Path:
    return write(folder / "x.safetensors", struct.pack("<Q", 1 << 60) + b"{}")


@broken("truncated or damaged")
def safetensors_with_wrong_offsets(folder: Path) -> Path:
    header = b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,999]}}'
    return write(folder / "x.safetensors", struct.pack("<Q", len(header)) + header + bytes(16))


@broken("truncated or damaged")
def truncated_npz(folder: Path) -> Path:
    np.savez(folder / "x.npz", a=np.ones(1000))
    return cut(folder / "x.npz", 0.5)


@broken("damaged or pickled npz")
def npz_of_objects(folder: Path) -> Path:
    np.savez(folder / "x.npz", a=np.array([{"a": 1}], dtype=object))
    return folder / "x.npz"


@broken("pickled code")
def payload_system(folder: Path) -> Path:
    return saved({"model": vit(), "x": Payload(folder / "mark")}, folder / "x.pth")


@broken("pickled code")
def payload_eval(folder: Path) -> Path:
    return saved({"model": vit(), "x": Payload(folder / "mark", eval)}, folder / "x.pth")


@broken("pickled code")
def payload_exec(folder: Path) -> Path:
    return saved({"model": vit(), "x": Payload(folder / "mark", exec)}, folder / "x.pth")


@broken("more than tensors")
def payload_in_a_legacy_file(folder: Path) -> Path:
    content = {"model": vit(), "x": Payload(folder / "mark")}
    return saved(content, folder / "x.pth", _use_new_zipfile_serialization=False)


@broken("x.pth")
def payload_in_a_plain_pickle(folder: Path) -> Path:
    return write(folder / "x.pth", pickle.dumps({"x": Payload(folder / "mark")}))


@broken("pickled code")
def payload_alone(folder: Path) -> Path:
    return saved(Payload(folder / "mark"), folder / "x.pth")


@broken("would unpack to")
def zip_bomb(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        buffer = io.BytesIO()
        np.save(buffer, np.zeros(4_000_000, dtype=np.float32))
        archive.writestr("a.npy", buffer.getvalue())
    return folder / "x.npz"


@broken("x.pth")
def zip_of_something_else(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "x.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    return folder / "x.pth"


@broken("TorchScript")
def torchscript(folder: Path) -> Path:
    torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)).save(folder / "x.pt")
    return folder / "x.pt"


@broken("not a table of tensors")
def whole_module(folder: Path) -> Path:
    return saved(torch.nn.Linear(2, 2), folder / "x.pth")


@broken("not a table of tensors")
def one_tensor(folder: Path) -> Path:
    return saved(torch.ones(3), folder / "x.pth")


@broken("not a table of tensors")
def a_list(folder: Path) -> Path:
    return saved([torch.ones(3)], folder / "x.pth")


@broken("holds no tensors")
def no_tensors(folder: Path) -> Path:
    return saved({"epoch": 3}, folder / "x.pth")


@broken("no known checkpoint family fits")
def another_network(folder: Path) -> Path:
    return saved({"layers.0.weight": torch.ones(2, 2)}, folder / "x.pth")


@broken("missing: blocks.0.norm1.weight")
def missing_middle_block(folder: Path) -> Path:
    return saved({key: value for key, value in vit().items() if ".0." not in key}, folder / "x.pth")


@broken("some are missing or extra")
def missing_last_block(folder: Path) -> Path:
    state = timm_vit(embed_dim=192, num_heads=3, depth=12).state_dict()
    return saved({key: value for key, value in state.items() if not key.startswith("blocks.11.")}, folder / "x.pth")


@broken("is a block missing?")
def missing_stage_block(folder: Path) -> Path:
    import torchvision

    state = torchvision.models.resnet18().state_dict()
    return saved({key: value for key, value in state.items() if not key.startswith("layer4.1")}, folder / "x.pth")


@broken("missing: norm.bias")
def missing_tensor(folder: Path) -> Path:
    return saved({key: value for key, value in vit().items() if key != "norm.bias"}, folder / "x.pth")


@broken("missing: cls_token")
def missing_class_token(folder: Path) -> Path:
    return saved({key: value for key, value in vit().items() if key != "cls_token"}, folder / "x.pth")


@broken("missing: pos_embed")
def missing_positions(folder: Path) -> Path:
    return saved({key: value for key, value in vit().items() if key != "pos_embed"}, folder / "x.pth")


@broken("do not fit: blocks.1.mlp.fc1.weight has shape")
def wrong_shape(folder: Path) -> Path:
    return saved(vit() | {"blocks.1.mlp.fc1.weight": torch.ones(3, 128)}, folder / "x.pth")


@broken("no square grid")
def wrong_position_table(folder: Path) -> Path:
    return saved(vit() | {"pos_embed": torch.ones(1, 12, 128)}, folder / "x.pth")


@broken("embeds no square patches")
def wrong_patch_embedding(folder: Path) -> Path:
    return saved(vit() | {"patch_embed.proj.weight": torch.ones(128, 192)}, folder / "x.pth")


@broken("have no place in it: blocks.0.adapter.weight")
def extra_tensor_inside_a_block(folder: Path) -> Path:
    return saved(vit() | {"blocks.0.adapter.weight": torch.ones(2)}, folder / "x.pth")


@broken("not finite")
def not_a_number(folder: Path) -> Path:
    state = vit()
    state["blocks.1.mlp.fc1.weight"][3, 5] = float("nan")
    return saved(state, folder / "x.pth")


@broken("not finite")
def infinite_half(folder: Path) -> Path:
    state = {key: value.half() for key, value in vit().items()}
    state["norm.weight"][0] = float("inf")
    return saved(state, folder / "x.pth")


@broken("no plain floating point tensors")
def quantised(folder: Path) -> Path:
    return saved({key: (value * 100).to(torch.int8) for key, value in vit().items()}, folder / "x.pth")


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
    path = saved(vit() | {"my_adapter.weight": torch.ones(2), "head.weight": torch.ones(2, 128)}, tmp_path / "x.pth")
    report = load_backbone(str(path)).report
    assert report.dropped == {"my_adapter.weight": "not part of the backbone", "head.weight": "head"}


def test_a_missing_role_is_refused(tmp_path: Path) -> None:
    path = saved({"teacher": vit()}, tmp_path / "x.pth")
    with pytest.raises(InputError, match="holds no student weights"):
        load_backbone(str(path), settings={"weights": "student"})
    with pytest.raises(InputError, match="neither teacher nor student"):
        load_backbone(str(path), settings={"weights": "both"})


def test_which_checkpoint_must_be_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither last nor best"):
        checkpoint_path(str(tmp_path), "first")


def test_a_users_own_family(tmp_path: Path) -> None:
    state = {f"trunk/{key.replace('.', '/')}": value for key, value in other().items()}
    path = saved(state, tmp_path / "own.pth")
    (tmp_path / "own.py").write_text(
        "from dinobench.models.family import Family, Layout\n"
        "from dinobench.models.layouts import vit\n"
        "def translate(rewriting):\n"
        "    rewriting.rename('/', '.')\n"
        "    vit.translate(rewriting)\n"
        "layout = Layout('mine', ('patch_embed/proj/weight',), translate, vit.build)\n"
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
