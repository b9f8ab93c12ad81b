"""How many of timm's networks are known by their tensors alone: a sample of every family, weights drawn.

    python benchmarks/timm_index.py --output OUT.csv [--per-family 2] [--minutes 5] [--only NAME ...]
    python benchmarks/timm_index.py --output OUT.csv --page docs/timm.md
    python benchmarks/timm_index.py --index            the index of this version of timm, which the package carries

Networks that OUT.csv has are not tested again.

Each network is saved with its classifier, given by its path without a word, and its features are compared with timm's
`forward_head(forward_features(x), pre_logits=True)` over two drawn images.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import timm
import torch

from dinobench.models.loading.known_networks import index_places
from dinobench.models.loading.spec import load_backbone
from dinobench.models.loading.timm_index import index_of, networks
from dinobench.runtime.console import progress
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

LARGE = ("large", "huge", "giant", "gigantic", "enormous", "so400m", "7b", "_l", "_h", "_xl", "_x")


def families() -> dict[str, list[str]]:
    """Architectures by timm's module, those whose names say that they are small first."""
    by_module: dict[str, list[str]] = defaultdict(list)
    for name in timm.list_models():
        by_module[timm.models.model_entrypoint(name).__module__.rpartition(".")[2]].append(name)
    return {module: sorted(names, key=_rank) for module, names in sorted(by_module.items())}


def _rank(name: str) -> tuple[bool, int, int]:
    place = next((number for number, word in enumerate(SMALL) if word in name), len(SMALL))
    return any(word in name for word in LARGE), place, len(name)


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


def rows_of(table: Path) -> list[dict[str, str]]:
    """The rows of a CSV that this script wrote; none where there is no such file."""
    if not table.is_file():
        return []
    with table.open(newline="") as stream:
        return list(csv.DictReader(stream))


KINDS = {"identified": "identified", "one of three": "one of at most three"}
PAGE = """# Networks of timm by their tensors alone

Each of {count} architectures of timm {version}, of {families} families, was saved as a bare state dict with drawn
weights and given by its path without a word. It counts as identified where its features equal timm's
`forward_head(forward_features(x), pre_logits=True)` to {tolerance:g} of the largest. Networks of equal tensors that
make other features, or expect other images, cannot be told apart: they are named, and `--set architecture=NAME`
chooses.

{share:.1f}% are identified or named as one of at most three. Made by `python benchmarks/timm_index.py`.

{table}

Not identified:

{others}
"""


def kind_of(row: Mapping[str, str]) -> str:
    """The column in which a network counts."""
    return next((name for start, name in KINDS.items() if row["outcome"].startswith(start)), "other")


def page(rows: Sequence[Mapping[str, str]]) -> str:
    """The page docs/timm.md: counts of each family, and every network that is not identified."""
    by_family: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        by_family[row["family"]][kind_of(row)] += 1
    columns = [*KINDS.values(), "other"]
    total = Counter(map(kind_of, rows))
    lines = [["family", *columns], ["---"] * (1 + len(columns))]
    for family, counts in [*sorted(by_family.items()), ("all", total)]:
        lines.append([family, *(str(counts[name]) for name in columns)])
    others = [row for row in rows if kind_of(row) != "identified"]
    return PAGE.format(
        count=len(rows),
        version=timm.__version__,
        families=len(by_family),
        tolerance=TOLERANCE,
        share=100 * (len(rows) - total["other"]) / max(1, len(rows)),
        table="\n".join(f"| {' | '.join(line)} |" for line in lines),
        others="\n".join(f"- `{row['architecture']}`: {row['outcome'].split(', which')[0]}" for row in others),
    )


def write_index() -> None:
    """The index of every architecture, beside the code that reads it."""
    start = time.process_time()
    found = index_of(progress(timm.list_models(), "architectures"))
    index_places()[0].write_text(json.dumps(found.as_table(), separators=(",", ":"), indent=0) + "\n")
    print(f"{index_places()[0]}: {time.process_time() - start:.0f} s of a processor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("timm.csv"))
    parser.add_argument("--index", action="store_true", help="write the package's index, and test nothing")
    parser.add_argument("--per-family", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--page", type=Path, help="write the page of the rows in --output, and test nothing")
    options = parser.parse_args()
    if options.page:
        options.page.write_text(page(rows_of(options.output)))
        return
    if options.index:
        write_index()
        return
    networks()  # the index, whose making is not a part of the time
    known = {row["architecture"] for row in rows_of(options.output)}
    with options.output.open("a", newline="") as stream, tempfile.TemporaryDirectory() as folder:
        writer = csv.writer(stream)
        if not known:
            writer.writerow(["family", "architecture", "outcome", "seconds"])
        names = sample(families(), options.per_family)
        if options.only:
            names = ((timm.models.model_entrypoint(name).__module__.rpartition(".")[2], name) for name in options.only)
        end = time.monotonic() + 60 * options.minutes
        for module, name in names:
            if time.monotonic() > end:
                break
            if name in known:
                continue
            start = time.monotonic()
            result = outcome(name, Path(folder))
            writer.writerow([module, name, result, f"{time.monotonic() - start:.1f}"])
            stream.flush()
            print(module, name, result, flush=True)


if __name__ == "__main__":
    main()
