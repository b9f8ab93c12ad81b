"""timm's architectures by the names and shapes of their tensors, as the package or the cache has them; timm sleeps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from torch import Tensor

from dinobench.runtime.cache import cache_folder
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_json

Shapes = Mapping[str, tuple[int, ...]]

# No network of timm has fewer tensors; a table with fewer is looked for in no index.
FEWEST_TENSORS = 16
_DEEPEST_PREFIX = 3
_VIT_CLASSIFIERS = ((), ("head.",), ("head.", "head_dist."))


@dataclass(frozen=True)
class KnownNetworks:
    """An index of one version of timm.

    Attributes:
        names: of architectures, by the digest of their tensors without classifier.
        heads: of vision transformers by name, by the same digest; where one of them has others than width / 64.
    """

    names: Mapping[str, tuple[str, ...]]
    heads: Mapping[str, Mapping[str, int]]

    def as_table(self) -> dict[str, object]:
        """What its file holds."""
        return {"names": dict(self.names), "heads": dict(self.heads)}


def timm_version() -> str:
    """The installed version of timm, which is not imported: that takes seconds."""
    return version("timm")


def index_places() -> tuple[Path, Path]:
    """Where the index of this version of timm may lie: with the package, and in the cache."""
    name = f"timm-{timm_version()}.json"
    return Path(__file__).with_name(name), cache_folder("timm", name)


def read_index() -> KnownNetworks | None:
    """The index at hand, None where there is none or it is damaged."""
    return next(
        filter(None, (_read(place, place.stat().st_mtime) for place in index_places() if place.is_file())), None
    )


@cache
def _read(place: Path, _changed: float) -> KnownNetworks | None:
    try:
        table = read_json(place)
        names = {str(key): tuple(map(str, names)) for key, names in table["names"].items()}
        heads = {
            str(key): {str(name): int(count) for name, count in each.items()} for key, each in table["heads"].items()
        }
    except (InputError, LookupError, TypeError, ValueError, AttributeError):
        return None
    return KnownNetworks(names, heads)


def heads_by_network(state: Mapping[str, Tensor]) -> Mapping[str, int]:
    """Heads of timm's vision transformers of exactly these tensors; none where all have width / 64 of them."""
    known = read_index()
    heads = known.heads if known else {}
    for inside in tables_in(state) if heads else ():
        for classifier in _VIT_CLASSIFIERS:
            if found := heads.get(key_digest(without(classifier, inside))):
                return found
    return {}


def key_digest(shapes: Shapes) -> str:
    """16 hex digits of names and shapes in the order of the names, without batch norm's counters."""
    lines = (f"{name} {shape}" for name, shape in sorted(shapes.items()) if not name.endswith("num_batches_tracked"))
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


def shapes_of(state: Mapping[str, Tensor]) -> Shapes:
    """The shape of every tensor."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def tables_in(state: Mapping[str, Tensor]) -> Iterator[Shapes]:
    """What stands under each short prefix of a file, prefix removed."""
    shapes = shapes_of(state)
    prefixes = {""}
    for name in shapes:
        parts = name.split(".")[:-1]
        prefixes.update(".".join(parts[:depth]) + "." for depth in range(1, min(len(parts), _DEEPEST_PREFIX) + 1))
    for prefix in sorted(prefixes):
        inside = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
        if len(inside) >= FEWEST_TENSORS:
            yield inside


def without(beginnings: tuple[str, ...], shapes: Shapes) -> Shapes:
    """The table less the names that begin so, such as a classifier's."""
    return {name: shape for name, shape in shapes.items() if not name.startswith(beginnings)} if beginnings else shapes
