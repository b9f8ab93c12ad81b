"""What a model SPEC names on this disk, known without loading torch."""

from __future__ import annotations

from pathlib import Path

from dinobench.models.networks.network_names import VIT_NAME, may_exist, suggestion
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import require_regular, user_path

CHECKPOINTS = {"last": "checkpoint.pth", "best": "best.pth"}
INDEX = ".index.json"
DISTRIBUTED = ".metadata"
"""What torch.distributed.checkpoint calls the file that says where the parts of every tensor lie."""

# What hubs call the weights of a model, the safest container first.
HUB_FILES = ("model.safetensors", f"model.safetensors{INDEX}", "pytorch_model.bin", f"pytorch_model.bin{INDEX}")
SCHEMES = ("timm", "torchvision", "hf", "random", "pixels")
"""Words before the colon of a SPEC that is not a path; each has a loader in `libraries.SOURCES`."""


def is_path(spec: str) -> bool:
    """Whether a model SPEC is the path of a file or run directory, and not a library's name or a baseline."""
    scheme, _, name = spec.partition(":")
    return not (scheme in SCHEMES and (name or spec == "pixels"))


def refuse_unknown_network(spec: str) -> None:
    """Refuse `timm:`, `torchvision:` or `random:` with a name that none has, before a library is loaded to say so.

    Raises:
        InputError: no such network, and which name was probably meant.
    """
    scheme, _, name = spec.partition(":")
    if scheme in ("timm", "torchvision"):
        if not may_exist(name, [scheme]):
            raise InputError(f"{scheme} has no model {name!r}; {suggestion(name, [scheme])}")
    elif scheme == "random" and not VIT_NAME.fullmatch(name):
        plain = name.rpartition(":")[2].lower()
        if not plain.startswith("resnet") and not may_exist(plain):  # ours beyond the ViTs are all ResNets
            raise InputError(f"unknown architecture {name!r}; {suggestion(plain)}")


def checkpoint_path(spec: str, which: str = "last") -> Path:
    """The file behind a path: itself, one inside a zip (FOLDER.zip/FILE), or the weights in a run's or hub's folder.

    Raises:
        InputError: there is none, or a pipe or device in its place.
    """
    path = user_path(spec)
    if path.is_file():
        return path
    if (archive := _archive_of(path)) is not None:
        from dinobench.models.loading.wrapping import extracted

        return extracted(archive, path)
    if which not in CHECKPOINTS:
        raise InputError(f"which={which} is neither last nor best")
    if path.exists() and not path.is_dir():
        require_regular(path)
    if not path.is_dir():
        raise InputError(f"no model {spec!r}: no such file, run directory, card or timm:/torchvision:/hf:/random: name")
    return _file_in_folder(path, which)


def _archive_of(path: Path) -> Path | None:
    """The zip that a path leads into, as FOLDER.zip/FILE does; None where it leads into none."""
    return next((each for each in path.parents if each.suffix == ".zip" and each.is_file()), None)


def _file_in_folder(folder: Path, which: str = "last") -> Path:
    """The weights in a folder: a run's last or best checkpoint, or a hub's file or index of shards.

    Raises:
        InputError: there are none, or a tool must join them first; the line names it.
    """
    run = folder / CHECKPOINTS[which]
    if run.is_file():
        return run
    for name in HUB_FILES:
        if (folder / name).is_file():
            return folder / name
    told, parts = (folder / DISTRIBUTED).is_file(), any(folder.glob("*.distcp"))
    if told and parts:
        return folder / DISTRIBUTED
    if told or parts:
        raise InputError(
            f"{folder} is half a folder of torch.distributed.checkpoint; copy its {DISTRIBUTED} and every .distcp file"
        )
    if (folder / "zero_to_fp32.py").is_file() or any(folder.rglob("mp_rank_*_model_states.pt")):
        raise InputError(
            f"{folder} is a folder of DeepSpeed; join it with `python zero_to_fp32.py {folder} OUT` (DeepSpeed puts "
            "the script there; Lightning has convert_zero_checkpoint_to_fp32_state_dict) and give OUT"
        )
    raise InputError(f"{folder} holds no {run.name}, and no {' or '.join(HUB_FILES[::2])}; is it a run directory?")
