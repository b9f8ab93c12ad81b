"""How many of timm's networks are known by their tensors alone: a sample of every family, weights drawn.

    python benchmarks/timm_index.py --output OUT.csv [--per-family 2] [--minutes 5] [--only NAME ...]

Each network is saved with its classifier, given by its path without a word, and its features are compared with timm's
`forward_head(forward_features(x), pre_logits=True)` over two drawn images.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import timm
import torch

from dinobench.models.loading.spec import load_backbone
from dinobench.models.loading.timm_index import networks
from dinobench.runtime.errors import InputError

TOLERANCE = 1e-5


SMALL = (
    "test_",
    "atto",
    "femto",
    "pico",
    "nano",
    "zepto",
    "xxs",
    "xx_small",
    "xs",
    "tiny",
    "mini",
    "small",
    "lite",
    "18",
)


def families() -> dict[str, list[str]]:
    """Architectures by timm's module, those whose names say that they are small first."""
    by_module: dict[str, list[str]] = defaultdict(list)
    for name in timm.list_models():
        by_module[timm.models.model_entrypoint(name).__module__.rpartition(".")[2]].append(name)
    return {module: sorted(names, key=_rank) for module, names in sorted(by_module.items())}


def _rank(name: str) -> tuple[int, int]:
    place = next((number for number, word in enumerate(SMALL) if word in name), len(SMALL))
    return place, len(name)


def sample(grouped: dict[str, list[str]], per_family: int) -> Iterator[tuple[str, str]]:
    """The first of every family, then of every family another, up to the middle of its list."""
    for turn in range(per_family):
        for module, names in grouped.items():
            place = turn * max(1, len(names) // (2 * per_family))
            if place < len(names):
                yield module, names[place]


@torch.inference_mode()
def outcome(name: str, folder: Path) -> str:
    """What comes of one network: identified, one of several, refused, or other features."""
    torch.manual_seed(0)
    network = timm.create_model(name, pretrained=False).eval()
    path = folder / "model.pth"
    torch.save(network.state_dict(), path)
    try:
        loaded = load_backbone(str(path))
    except InputError as error:
        line = str(error).partition(": ")[2]
        named = "its tensors are those of timm's" in line
        few = named and " more" not in line.partition(", which")[0] and name in line
        return f"one of three at most: {line[:150]}" if few else f"refused: {line[:150]}"
    except Exception as error:
        return f"failed: {type(error).__name__} {str(error)[:150]}"
    return f"{compared(network, loaded)} ({loaded.family}, {loaded.architecture})"


def compared(network: torch.nn.Module, loaded: object) -> str:
    side = timm.data.resolve_model_data_config(network)["input_size"][-1]
    images = torch.randn(2, 3, side, side)
    expected = network.forward_head(network.forward_features(images), pre_logits=True).flatten(1)
    try:
        found = loaded.backbone(images).cls
    except Exception as error:
        return f"failed: {type(error).__name__} {str(error)[:120]}"
    if found.shape != expected.shape:
        return f"other features: shape {tuple(found.shape)}, timm's {tuple(expected.shape)}"
    difference = float((found - expected).abs().max() / expected.abs().max().clamp(min=1))
    return "identified" if difference <= TOLERANCE else f"other features: {difference:.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--per-family", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    networks()  # the index, whose making is not a part of the time
    with options.output.open("w", newline="") as stream, tempfile.TemporaryDirectory() as folder:
        writer = csv.writer(stream)
        writer.writerow(["family", "architecture", "outcome", "seconds"])
        names = [("asked for", name) for name in options.only] or sample(families(), options.per_family)
        end = time.monotonic() + 60 * options.minutes
        for module, name in names:
            if time.monotonic() > end:
                break
            start = time.monotonic()
            result = outcome(name, Path(folder))
            writer.writerow([module, name, result, f"{time.monotonic() - start:.1f}"])
            stream.flush()
            print(module, name, result, flush=True)


if __name__ == "__main__":
    main()
