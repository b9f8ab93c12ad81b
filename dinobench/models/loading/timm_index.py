"""timm's architectures by the names and shapes of their tensors: made once per version of timm, kept in the cache."""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import timm
import torch
from filelock import FileLock
from torch import Tensor, nn

from dinobench.models.loading.state_dict import State
from dinobench.models.networks.timm_adapter import classifier_parts, create_timm, timm_preprocessing
from dinobench.runtime.cache import cache_folder
from dinobench.runtime.console import duration, notice, progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_json, write_text_atomically
from dinobench.runtime.locks import try_lock

Shapes = Mapping[str, tuple[int, ...]]

# No network of timm has fewer tensors; a table with fewer asks for no index.
FEWEST_TENSORS = 16
# Networks of equal tensors that are compared by what they compute; more are named as they are.
MOST_COMPARED = 12
_DEEPEST_PREFIX = 3


def candidates(state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The architectures of timm that have exactly these tensors, with or without a classifier, under some prefix."""
    if len(state) < FEWEST_TENSORS:
        return ()
    known, found = networks(), dict[str, None]()
    for inside in _tables(state):
        for classifier in ("", *_classifiers()):
            names = known.get(key_digest(_without(classifier, inside)), ())
            found.update(dict.fromkeys(name for name in names if not classifier or classifier in _heads_of(name)))
    return tuple(found)


def key_digest(shapes: Shapes) -> str:
    """16 hex digits of names and shapes in the order of the names, without batch norm's counters."""
    lines = (f"{name} {shape}" for name, shape in sorted(shapes.items()) if not name.endswith("num_batches_tracked"))
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


def networks() -> Mapping[str, tuple[str, ...]]:
    """Names of architectures by the digest of their tensors without classifier; made where the cache has none."""
    place = cache_folder("timm", f"index-{timm.__version__}.json")
    known = _read(place)
    if known is None:
        lock = _wait_for(place.with_suffix(".lock"))
        try:
            known = _read(place) or _make(place)
        finally:
            lock.release()
    return known


def index_of(names: Iterable[str]) -> dict[str, list[str]]:
    """The index of some architectures; those that do not build are left out."""
    found: dict[str, list[str]] = {}
    for name in names:
        shapes = _shapes_of(name)
        if shapes:
            found.setdefault(key_digest(shapes), []).append(name)
    return found


def kinds(names: tuple[str, ...], state: State) -> list[list[str]]:
    """Networks of equal tensors in groups that compute the same from the same images and expect the same of them.

    Args:
        names: of timm.
        state: the tensors by timm's names, classifier or not.
    """
    if len(names) > MOST_COMPARED:
        return [[name] for name in names]
    groups: list[tuple[str, Tensor, list[str]]] = []
    for name in names:
        expects, computes = _behavior(name, state)
        same = (group for group in groups if group[0] == expects and _close(group[1], computes))
        found = next(same, None)
        if found is None:
            groups.append((expects, computes, [name]))
        else:
            found[2].append(name)
    return [group[2] for group in groups]


@torch.inference_mode()
def _behavior(name: str, state: State) -> tuple[str, Tensor]:
    """What a network expects, and its feature of two drawn images under these weights."""
    network = create_timm(name, pretrained=False, image_size=None).eval()
    network.load_state_dict({key: state[key] for key in network.state_dict() if key in state}, strict=False)
    preprocessing = timm_preprocessing(network)
    side = preprocessing.size
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    return str(preprocessing), network.forward_head(network.forward_features(images), pre_logits=True)  # type: ignore[operator]


def _close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-5, atol=1e-6)


def _read(place: Path) -> Mapping[str, tuple[str, ...]] | None:
    """The index in the cache, None where there is none or it is damaged."""
    if not place.is_file():
        return None
    try:
        table = read_json(place)
    except InputError:
        return None
    return {str(key): tuple(map(str, names)) for key, names in table.items()} if isinstance(table, dict) else None


def _make(place: Path) -> Mapping[str, tuple[str, ...]]:
    start, names = time.monotonic(), timm.list_models()
    notice(f"index of timm {timm.__version__}: {len(names)} architectures, once per version, takes minutes")
    found = index_of(progress(names, "architectures"))
    write_text_atomically(place, json.dumps(found, indent=0))
    notice(f"index of timm {timm.__version__}: made in {duration(time.monotonic() - start)}, {place}")
    return {key: tuple(names) for key, names in found.items()}


def _wait_for(path: Path) -> FileLock:
    """The lock of the index, however long another process works on it."""
    if (lock := try_lock(path)) is not None:
        return lock
    notice(f"waiting for another process that makes the index of timm {timm.__version__}")
    while (lock := try_lock(path)) is None:
        time.sleep(1)
    return lock


def _shapes_of(name: str) -> Shapes:
    """Names and shapes of an architecture without classifier, empty where timm does not build it."""
    try:
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")
            network: nn.Module = create_timm(name, pretrained=False, image_size=None)
    except Exception:  # whatever a network that is broken in this version, or lacks a package, raises
        return {}
    return _shapes(network.state_dict())


def _shapes(state: Mapping[str, Tensor]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _tables(state: Mapping[str, Tensor]) -> Iterator[Shapes]:
    """What stands under each short prefix of a file, prefix removed."""
    shapes = _shapes(state)
    prefixes = {""}
    for name in shapes:
        parts = name.split(".")[:-1]
        prefixes.update(".".join(parts[:depth]) + "." for depth in range(1, min(len(parts), _DEEPEST_PREFIX) + 1))
    for prefix in sorted(prefixes):
        inside = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
        if len(inside) >= FEWEST_TENSORS:
            yield inside


def _without(classifier: str, shapes: Shapes) -> Shapes:
    parts = tuple(filter(None, classifier.split(" ")))
    return {name: shape for name, shape in shapes.items() if not name.startswith(parts)} if parts else shapes


@cache
def _classifiers() -> tuple[str, ...]:
    """Every way in which timm's networks call their classifiers."""
    return tuple(dict.fromkeys(way for name in timm.list_models() for way in _heads_of(name)))


@cache
def _heads_of(name: str) -> tuple[str, ...]:
    """Beginnings of the names of a network's classifier, blanks between: its own alone, and with what stands by it."""
    config = timm.get_pretrained_cfg(name)
    own = classifier_parts(config.classifier if config else None)
    deepest = max((part.count(".") for part in own), default=0)
    ways = [tuple(dict.fromkeys(_first_parts(part, depth) for part in own)) for depth in range(deepest, 0, -1)]
    return tuple(dict.fromkeys(" ".join(parts) for parts in ways if parts))


def _first_parts(beginning: str, depth: int) -> str:
    return ".".join(beginning.split(".")[:depth]) + "."
