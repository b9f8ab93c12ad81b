"""`dinobench data`: which datasets are known, whether one lies as it should, and drawn twins."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dinobench.cli.completion import data_names
from dinobench.cli.options import CommandGroup, not_empty
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path

if TYPE_CHECKING:
    from dinobench.data.dataset import ImageSet
    from dinobench.data.registry import Findings


@click.group(cls=CommandGroup, name="data")
def command() -> None:
    """List known datasets, check one on disk, make a drawn twin."""


@command.command(name="list")
def list_datasets() -> None:
    """List datasets with their layout, where each is expected, and whether a twin can be made."""
    from dinobench.data.open import DATA_VARIABLE, EMBEDDED, data_folder
    from dinobench.data.registry import dataset_layouts, twin_names

    for name in EMBEDDED:
        click.echo(f"{name:<14} embedded")
    base = os.environ.get(DATA_VARIABLE)
    twins = twin_names()
    for name, layout in sorted(dataset_layouts().items()):
        place = data_folder(user_path(base), name) if base else None
        where = f"{place} (found)" if place else f"${DATA_VARIABLE}/{name}{' (absent)' if base else ''}"
        click.echo(f"{name:<14} {layout:<12} {where}{'  [twin]' if name in twins else ''}")
    if base is None:
        click.echo(f"{DATA_VARIABLE} is not set: set it to the folder that holds these, or give --data FOLDER")


@command.command()
@click.argument("name", shell_complete=data_names)
@click.option("--data", "spec", callback=not_empty, help="Folder of the dataset (default $DINOBENCH_DATA/NAME).")
@click.option("--layout", help="Check against this layout instead of NAME's own.")
@click.option("--decode", is_flag=True, help="Decode every image file too.")
def check(name: str, spec: str | None, layout: str | None, decode: bool) -> None:
    """Check dataset NAME (or a folder): expected tree, counts, what is missing; exit code 2 on any problem."""
    from dinobench.data.check import check_layout
    from dinobench.data.open import EMBEDDED, is_folder_spec, layout_of, locate
    from dinobench.data.registry import folder_names, get_layout, split_opener

    if (spec or name) in EMBEDDED:
        _check_embedded(spec or name)
        return
    if not is_folder_spec(spec or name):
        _check_other(spec or name)
        return
    dataset = folder_names().get(Path(name).name, name)
    chosen = layout or layout_of(name)
    click.echo(f"{name}: layout {chosen}\n{get_layout(chosen).EXPECTED_TREE}\n")
    root, used = locate(spec or name, chosen)
    if layout is not None:
        used = layout
    if used != chosen:
        click.echo(f"what lies in {root} has layout {used}\n{get_layout(used).EXPECTED_TREE}\n")
    findings = check_layout(used, root, dataset)
    for what, count in findings.counts.items():
        click.echo(f"{what:<24} {count}")
    for line in (*findings.notes, *_unlike_benchmark(dataset, findings.counts)):
        click.echo(f"note: {line}")
    problems = list(findings.problems)
    if decode:
        readers = _image_readers(partial(split_opener(used, dataset), root), findings)
        broken = list(_decode_problems(readers))
        problems += broken
        click.echo(f"{'images decoded':<24} {len(readers) - len(broken)} of {len(readers)}")
    _print_problems(root, problems)


def _unlike_benchmark(dataset: str, counts: Mapping[str, int]) -> tuple[str, ...]:
    """What sets the data apart from the benchmarks on that data set, as `eval` says it in a record."""
    from dinobench.cards import load_tasks

    images = {what.removesuffix(" images"): count for what, count in counts.items() if what.endswith(" images")}
    classes = [count for what, count in counts.items() if what.endswith(" classes")]
    cards = [card for card in load_tasks().values() if card.dataset == dataset]
    return tuple(dict.fromkeys(line for card in cards for line in card.differences(images, classes)))


def _check_other(spec: str) -> None:
    """What a list of images or a data set of the hub holds."""
    from dinobench.data.check import TRAIN_AND_VAL, check_splits
    from dinobench.data.open import open_dataset

    findings = check_splits(lambda _, split: open_dataset(spec, split), Path(spec), TRAIN_AND_VAL)
    for what, count in findings.counts.items():
        click.echo(f"{what:<24} {count}")
    for line in findings.notes:
        click.echo(f"note: {line}")
    _print_problems(Path(spec), list(findings.problems))


def _check_embedded(name: str) -> None:
    from dinobench.data.open import open_dataset

    for split in ("train", "val"):
        images = open_dataset(name, split)
        click.echo(f"{split + ' images':<24} {len(images)} in {len(images.classes)} classes")


def _image_readers(open_split: Callable[[str], ImageSet], findings: Findings) -> list[Callable[[], object]]:
    """What decodes each image of a dataset: its files, or where images are not files, its splits."""
    from dinobench.data.decode import read_rgb

    if findings.files:
        return [partial(read_rgb, path) for path in findings.files]
    readers: list[Callable[[], object]] = []
    for split in ("train", "val"):
        with contextlib.suppress(InputError):  # a split that does not open is among the findings already
            images = open_split(split)
            readers += [partial(images.read, index) for index in range(len(images))]
    return readers


def _decode_problems(readers: Sequence[Callable[[], object]]) -> Iterator[str]:
    """One line per image that cannot be decoded."""
    from concurrent.futures import ThreadPoolExecutor

    from dinobench.runtime.console import progress

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        lines = progress(pool.map(_decode_problem, readers), "decoding", total=len(readers))
        yield from (line for line in lines if line is not None)


def _decode_problem(reader: Callable[[], object]) -> str | None:
    try:
        reader()
    except InputError as error:
        return str(error)
    return None


def _print_problems(root: Path, problems: list[str]) -> None:
    """Print every problem but the last on its own line; raise with the count and the first."""
    if not problems:
        click.echo(f"{root} is as expected")
        return
    for problem in problems:
        click.echo(f"problem: {problem}")
    more = f" (and {len(problems) - 1} more, listed above)" if len(problems) > 1 else ""
    raise InputError(f"{problems[0]}{more}")


@command.command()
@click.argument("name", shell_complete=data_names)
@click.option(
    "--output",
    "--data",
    "output",
    type=click.Path(path_type=Path),
    help="Folder to write, new or empty (default data/NAME).",
)
@click.option("--seed", default=0, show_default=True, help="Draw another twin of the same make.")
@click.option("--large", is_flag=True, help="About the size at which figures mean something; minutes to draw.")
def make(name: str, output: Path | None, seed: int, large: bool) -> None:
    """Draw the twin of dataset NAME, or of `all`, in its true on-disk layout."""
    from dinobench.data.registry import twin_names

    base = output or Path("data")
    targets = {twin: base / twin for twin in twin_names()} if name == "all" else {name: output or base / name}
    for twin, folder in targets.items():
        _write_twin(twin, folder, seed, large)
        click.echo(f"wrote the twin of {twin} to {folder}; use it with --data {folder}")


def _write_twin(name: str, folder: Path, seed: int, large: bool) -> None:
    from dinobench.data.registry import get_twin
    from dinobench.runtime.cache import built_folder

    twin = get_twin(name)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    if folder.exists():
        raise InputError(f"{folder} exists and is not empty; choose another --output or remove it")
    try:
        built_folder(folder, partial(twin.write, seed=seed, small=not large))
    except OSError as error:
        raise InputError(
            f"cannot write {folder}: {error.strerror}; choose another --output or free the disk"
        ) from error
