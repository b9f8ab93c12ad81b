"""Forty ways in which a checkpoint file can be broken or hostile."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from tests.models.checkpoints import timm_vit

State = dict[str, torch.Tensor]


class Payload:
    """Pickles to a call that leaves a mark on the disk."""

    def __init__(self, mark: Path, function: Callable[..., object] = os.system) -> None:
        self.mark, self.function = mark, function

    def __reduce__(self) -> tuple[object, ...]:
        text = f"open({str(self.mark)!r}, 'w')" if self.function in (eval, exec) else f"touch {self.mark}"
        return self.function, (text,)


def vit() -> State:
    return {key: value.clone() for key, value in timm_vit().state_dict().items()}


def saved(content: object, path: Path, **options: object) -> Path:
    torch.save(content, path, **options)
    return path


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


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


NO_CHECKPOINTS = {
    "text": b"just some notes\n",
    "html_page": b"<!DOCTYPE html><html>404 not found</html>",
    "lfs_pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "jpeg": b"\xff\xd8\xff\xe0" + bytes(64),
    "zeros": bytes(4096),
}
BROKEN |= {
    name: (lambda folder, data=data: write(folder / "x.pth", data), "not a checkpoint")
    for name, data in NO_CHECKPOINTS.items()
}


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


@broken("not a square grid")
def wrong_position_table(folder: Path) -> Path:
    return saved(vit() | {"pos_embed": torch.ones(1, 12, 128)}, folder / "x.pth")


@broken("embeds no square patches")
def wrong_patch_embedding(folder: Path) -> Path:
    return saved(vit() | {"patch_embed.proj.weight": torch.ones(128, 192)}, folder / "x.pth")


@broken("feature: blocks.0.adapter.weight; merge the adapters")
def extra_tensor_inside_a_block(folder: Path) -> Path:
    return saved(vit() | {"blocks.0.adapter.weight": torch.ones(2)}, folder / "x.pth")


@broken("a block has the number 2000000000 among")
def block_of_a_huge_number(folder: Path) -> Path:
    return saved({key.replace(".1.", ".2000000000."): value for key, value in vit().items()}, folder / "x.pth")


@broken("a block has the number 30 among 6 tensors")
def cifar_block_of_a_huge_number(folder: Path) -> Path:
    state = {"conv1.weight": torch.ones(16, 3, 3, 3), "bn1.running_mean": torch.ones(16)}
    state |= {f"layer{stage}.0.conv1.weight": torch.ones(2) for stage in (1, 3)}
    state |= {f"layer{stage}.30.conv1.weight": torch.ones(2) for stage in (1, 2)}
    return saved(state, folder / "x.pth")


@broken("repeats 4 bytes as")
def view_that_repeats_one_number(folder: Path) -> Path:
    return saved(vit() | {"head.weight": torch.zeros(1).expand(64_000, 64_000)}, folder / "x.pth")


@broken("names the same numbers again and again")
def one_tensor_under_many_names(folder: Path) -> Path:
    table = torch.zeros(1000)
    return saved(vit() | {f"head.{number}": table for number in range(50_000)}, folder / "x.pth")


@broken("nested more than")
def mappings_nested_deep(folder: Path) -> Path:
    content: State = vit()
    for _ in range(200):
        content = {"model": content}  # type: ignore[dict-item]
    return saved(content, folder / "x.pth")


@broken("nested more than")
def mapping_that_holds_itself(folder: Path) -> Path:
    content: dict[str, object] = {**vit()}
    content["self"] = content
    return saved(content, folder / "x.pth")


@broken("names and more")
def mappings_shared_without_end(folder: Path) -> Path:
    content: dict[str, object] = {"a": 1}
    for _ in range(40):
        content = {"a": content, "b": content}
    return saved(content, folder / "x.pth")


@broken("bytearray")
def bytearray_of_any_length(folder: Path) -> Path:
    return saved({"model": vit(), "x": bytearray(b"abc")}, folder / "x.pth")


@broken("damaged or pickled npz")
def npz_that_claims_more_than_it_holds(folder: Path) -> Path:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(4, dtype=np.float32))
    with zipfile.ZipFile(folder / "x.npz", "w") as archive:
        archive.writestr("b.npy", buffer.getvalue().replace(b"(4,), }          ", b"(99999999999,), }"))
    return folder / "x.npz"


def altered_npz(folder: Path, offset: int, byte: int, signature: bytes) -> Path:
    """A compressed npz with one byte changed after a zip signature."""
    np.savez_compressed(folder / "x.npz", a=np.arange(1000))
    data = bytearray((folder / "x.npz").read_bytes())
    data[data.index(signature) + offset] = byte
    return write(folder / "x.npz", bytes(data))


@broken("npz")
def npz_of_an_unknown_compression(folder: Path) -> Path:
    return altered_npz(folder, 10, 99, b"PK\1\2")


@broken("npz")
def npz_that_is_encrypted(folder: Path) -> Path:
    return altered_npz(folder, 8, 1, b"PK\1\2")


@broken("npz")
def npz_whose_compression_is_damaged(folder: Path) -> Path:
    return altered_npz(folder, 60, 255, b"PK\3\4")


@broken("more than tensors")
def legacy_file_with_damaged_numbers(folder: Path) -> Path:
    path = saved(vit(), folder / "x.pth", _use_new_zipfile_serialization=False)
    return write(path, path.read_bytes().replace(b"storage", b"st0rage"))


@broken("must be positive, not 0")
def sizes_of_zero(folder: Path) -> Path:
    return saved(vit() | {"patch_embed.proj.weight": torch.ones(128, 3, 0, 0)}, folder / "x.pth")


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


@broken("not a plain floating point tensor")
def sparse(folder: Path) -> Path:
    return saved({key: value.to_sparse() for key, value in vit().items()}, folder / "x.pth")


@broken("not a plain floating point tensor")
def quantized(folder: Path) -> Path:
    return saved({key: (value * 100).to(torch.int8) for key, value in vit().items()}, folder / "x.pth")
