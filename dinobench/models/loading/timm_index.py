"""timm's architectures by the names and shapes of their tensors: known with the package, or made and kept."""

from __future__ import annotations

import json
import re
import time
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import timm
import torch
from filelock import FileLock
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dinobench.models.loading.known_networks import (
    FEWEST_TENSORS,
    KnownNetworks,
    index_places,
    key_digest,
    read_index,
    shapes_of,
    tables_in,
    without,
)
from dinobench.models.loading.state_dict import State
from dinobench.models.networks.timm_adapter import classifier_parts, create_timm, timm_preprocessing
from dinobench.runtime.console import duration, notice, progress
from dinobench.runtime.files import write_text_atomically
from dinobench.runtime.locks import try_lock

# Networks of equal tensors that are compared by what they compute; more are named as they are.
MOST_COMPARED = 12
_FILLS = re.compile(
    r"(normal|uniform|trunc_normal|zeros?|ones|constant|xavier_\w+|kaiming_\w+|orthogonal|fill|erfinv|mul|add|sub|div"
    r"|clamp|copy)_"
)
_SECONDS_EACH = 0.04  # of a processor, to build an architecture without its numbers


def candidates(state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The architectures of timm that have exactly these tensors, with or without a classifier, under some prefix."""
    if len(state) < FEWEST_TENSORS:
        return ()
    known, found = networks(), dict[str, None]()
    for inside in tables_in(state):
        for classifier in ((), *_classifiers()):
            names = known.get(key_digest(without(classifier, inside)), ())
            found.update(dict.fromkeys(name for name in names if not classifier or classifier in _heads_of(name)))
    return tuple(found)


def networks() -> Mapping[str, tuple[str, ...]]:
    """Names of architectures by the digest of their tensors without classifier.

    They come with the package for one version of timm; for another they are made once and kept in the cache.
    """
    known = read_index()
    if known is None:
        place = index_places()[-1]
        lock = _wait_for(place.with_suffix(".lock"))
        try:
            known = read_index() or _make(place)
        finally:
            lock.release()
    return known.names


def index_of(names: Iterable[str]) -> KnownNetworks:
    """The index of some architectures; those that do not build are left out."""
    by_digest: dict[str, list[str]] = {}
    heads: dict[str, dict[str, int]] = {}
    widths: dict[str, int] = {}
    for name in names:
        network = _empty_network(name)
        if network is None:
            continue
        digest = key_digest(shapes_of(network.state_dict()))
        by_digest.setdefault(digest, []).append(name)
        if count := _heads_in(network):
            heads.setdefault(digest, {})[name] = count
            widths[digest] = int(network.num_features)  # type: ignore[arg-type]
    unusual = {key: each for key, each in heads.items() if any(64 * count != widths[key] for count in each.values())}
    return KnownNetworks({key: tuple(found) for key, found in by_digest.items()}, unusual)


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


def _make(place: Path) -> KnownNetworks:
    start, names = time.monotonic(), timm.list_models()
    expected = duration(_SECONDS_EACH * len(names))
    notice(
        f"no family of dinobench has these tensors: looking among timm's {len(names)} architectures; their index, "
        f"made once for timm {timm.__version__}, takes about {expected} of a processor"
    )
    found = index_of(progress(names, "architectures"))
    write_text_atomically(place, json.dumps(found.as_table(), indent=0))
    notice(f"index of timm {timm.__version__}: made in {duration(time.monotonic() - start)}, {place}")
    return found


def _wait_for(path: Path) -> FileLock:
    """The lock of the index, however long another process works on it."""
    if (lock := try_lock(path)) is not None:
        return lock
    notice(f"waiting for another process that makes the index of timm {timm.__version__}")
    while (lock := try_lock(path)) is None:
        time.sleep(1)
    return lock


def _empty_network(name: str) -> nn.Module | None:
    """An architecture without classifier and without numbers, None where timm does not build it."""
    try:
        with warnings.catch_warnings(), torch.device("meta"), _NothingDrawn():
            warnings.simplefilter("ignore")
            return create_timm(name, pretrained=False, image_size=None)
    except Exception:  # whatever a network that is broken in this version, or lacks a package, raises
        return None


class _NothingDrawn(TorchFunctionMode):
    """Lets weights be as they are where a network would draw them: on the meta device that takes most of the time."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call everything but what fills a tensor in its place."""
        kwargs = kwargs or {}
        if _FILLS.fullmatch(getattr(func, "__name__", "")):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _heads_in(network: nn.Module) -> int:
    """The heads of a plain vision transformer; 0 for a network whose blocks differ, or that is none."""
    blocks = [module for name, module in network.named_modules() if hasattr(module, "qkv") and "blocks." in name]
    counts = {int(getattr(block, "num_heads", 0)) for block in blocks}
    return counts.pop() if len(counts) == 1 else 0


@cache
def _classifiers() -> tuple[tuple[str, ...], ...]:
    """Every way in which timm's networks call their classifiers."""
    return tuple(dict.fromkeys(way for name in timm.list_models() for way in _heads_of(name)))


@cache
def _heads_of(name: str) -> tuple[tuple[str, ...], ...]:
    """Beginnings of the names of a network's classifier: its own alone, and with what stands by it."""
    config = timm.get_pretrained_cfg(name)
    own = classifier_parts(config.classifier if config else None)
    deepest = max((part.count(".") for part in own), default=0)
    ways = [tuple(dict.fromkeys(_first_parts(part, depth) for part in own)) for depth in range(deepest, 0, -1)]
    return tuple(dict.fromkeys(parts for parts in ways if parts))


def _first_parts(beginning: str, depth: int) -> str:
    return ".".join(beginning.split(".")[:depth]) + "."
