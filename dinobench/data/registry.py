"""Layouts and twins are found by file name: adding a file adds the thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, cast

from dinobench.data.dataset import ImageSet
from dinobench.runtime.plugins import plugin, plugin_names


@dataclass(frozen=True)
class Findings:
    """What a layout's check found under a root.

    Attributes:
        counts: what was counted, e.g. {"train images": 1281167}.
        problems: one line each: what is missing or wrong, where. Empty when all is well.
        files: every image file that belongs to the set, for a decode test.
        notes: one line each: what was assumed or left out, as `eval` says it too.
    """

    counts: Mapping[str, int]
    problems: tuple[str, ...] = ()
    files: tuple[Path, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()


class Layout(Protocol):
    """A module in data/layouts: one way in which datasets lie on disk.

    Attributes:
        EXPECTED_TREE: the tree, as text for a human, with where people get the data.
        DATASETS: names of the datasets that come in this layout.
        SIGNS: optional, of labeled images only; file patterns that tell a folder of this layout by any name.
        FOLDERS: optional; other folder names that tell a dataset, such as those that torchvision downloads into.
        SPLITS: optional; the splits that `data check` opens, train and val by default.
        open_one: optional, as `open` with the name of the data set besides, where several may lie in one root.
        check: optional, in place of opening every split; counts and verifies without decoding, and never raises for
            what it finds.
    """

    EXPECTED_TREE: str
    DATASETS: tuple[str, ...]

    def open(self, root: Path, split: str) -> ImageSet:
        """The images of a split; InputError says what is missing."""


class Twin(Protocol):
    """A module in data/twins: writes a small drawn dataset in a real one's true layout."""

    def write(self, root: Path, *, seed: int = 0, small: bool = True) -> None:
        """Write the twin under `root`."""


def layout_names() -> tuple[str, ...]:
    """Names of all layouts, sorted."""
    return plugin_names("data/layouts")


def twin_names() -> tuple[str, ...]:
    """Names of all datasets that can be written as a drawn twin, sorted."""
    of_module = {_twin_module(dataset): dataset for dataset in dataset_layouts()}
    return tuple(sorted(of_module.get(name, name) for name in plugin_names("data/twins")))


def get_layout(name: str) -> Layout:
    """The layout of that name; InputError suggests the nearest."""
    return cast(Layout, plugin("data/layouts", name))


def split_opener(layout: str, dataset: str = "") -> Callable[[Path, str], ImageSet]:
    """The layout's `open`, told which data set is wanted where it has several and `dataset` is one of them."""
    module = get_layout(layout)
    open_one: Callable[..., ImageSet] | None = getattr(module, "open_one", None)
    if open_one is None or dataset not in module.DATASETS:
        return module.open
    return partial(open_one, dataset=dataset)


def get_twin(name: str) -> Twin:
    """The twin of that dataset; InputError suggests the nearest."""
    return cast(Twin, plugin("data/twins", _twin_module(name)))


def _twin_module(dataset: str) -> str:
    return dataset.replace("-", "_")


def dataset_layouts() -> dict[str, str]:
    """Layout of every dataset that a layout names as its own."""
    return {dataset: name for name in layout_names() for dataset in get_layout(name).DATASETS}


def folder_names() -> dict[str, str]:
    """The dataset that lies in a folder of that name: every dataset's own name, and other names that tell it."""
    own = {dataset: dataset for dataset in dataset_layouts()}
    others = (getattr(get_layout(name), "FOLDERS", {}) for name in layout_names())
    return own | {folder: dataset for named in others for folder, dataset in named.items()}


def layout_by_signs(root: Path) -> str | None:
    """The layout of labeled images that the files under `root` tell, if any."""
    for name in layout_names():
        if any(next(root.glob(pattern), None) for pattern in _layout_signs(name)):
            return name
    return None


def is_labeled(layout: str) -> bool:
    """Whether it gives images with labels, as class folders do."""
    return layout == "imagefolder" or bool(_layout_signs(layout))


def _layout_signs(layout: str) -> tuple[str, ...]:
    return getattr(get_layout(layout), "SIGNS", ())
