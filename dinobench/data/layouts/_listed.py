"""Labels of images that lie in one folder, from the list that comes with them."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from dinobench.data.layouts._files import read_lines, read_mat, variable
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import json_value, read_text

FILE_COLUMNS = ("file_name", "path", "filename", "file", "image", "image_path")
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "category", "target", "fine_label")

Labels = Mapping[str, str]
"""Class name of each image, by its path from the folder or its name without ending."""


def listed_labels(folder: Path, roots: Sequence[Path]) -> tuple[Labels, Path] | None:
    """Labels of the images in a split's folder, and the list that they stand in, if a known one is there.

    Args:
        folder: of the split.
        roots: where the lists of ImageNet may lie: the data set's folder and those above it, as the user gave it.

    Raises:
        InputError: a list is there but cannot be read.
    """
    for path, read in _candidate_lists(folder, roots):
        if path.is_file():
            return read(path), path
    return None


def label_of(labels: Labels, path: str) -> str | None:
    """The label of an image by its path from the split's folder, its file name, or that without ending."""
    name = Path(path).name
    return next((labels[key] for key in (path, name, Path(name).stem) if key in labels), None)


def _candidate_lists(folder: Path, roots: Sequence[Path]) -> Iterator[tuple[Path, Callable[[Path], Labels]]]:
    yield folder / f"{folder.name}_annotations.txt", _tiny_imagenet
    yield folder / "metadata.csv", _read_metadata
    yield folder / "metadata.jsonl", _read_metadata
    for root in roots:
        yield root / f"LOC_{folder.name}_solution.csv", _read_localization
        if folder.name == "val":
            for devkit in (root / "ILSVRC2012_devkit_t12", root):
                yield devkit / "data" / "ILSVRC2012_validation_ground_truth.txt", _read_devkit


def _tiny_imagenet(path: Path) -> Labels:
    """Rows of file, class and box, separated by tabs."""
    rows = [line.split("\t") for line in read_lines(path)]
    if any(len(row) < 2 for row in rows):
        raise InputError(f"{path} has a line without file and class, separated by a tab; fetch it again")
    return {row[0]: row[1] for row in rows}


def _read_localization(path: Path) -> Labels:
    """Kaggle's list: an image, then class and box, as often as there are boxes."""
    rows = [line.partition(",") for line in read_lines(path)]
    return {image: boxes.split()[0] for image, _, boxes in rows if image != "ImageId" and boxes.split()}


def _read_devkit(path: Path) -> Labels:
    """ImageNet's development kit: line n has the class number of validation image n."""
    numbers, meta = read_lines(path), path.with_name("meta.mat")
    synsets = variable(read_mat(meta), "synsets", meta)
    names = {int(number): str(name) for number, name in zip(synsets["ILSVRC2012_ID"], synsets["WNID"], strict=True)}
    try:
        return {f"ILSVRC2012_val_{row:08d}": names[int(number)] for row, number in enumerate(numbers, start=1)}
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} has the class {error}, which {meta} does not know; fetch both again") from error


def _read_metadata(path: Path) -> Labels:
    """A column of files and one of labels."""
    return pick_columns(path, read_table(path))


def read_table(path: Path) -> list[Mapping[str, object]]:
    """Rows of a .csv or .tsv file with a header (comma, semicolon or tab between columns), or of .jsonl.

    Raises:
        InputError: a line is not a json object, or the file is not text.
    """
    if path.suffix.lower() != ".jsonl":
        text = read_text(path)
        header = text.partition("\n")[0]
        mark = max((",", ";", "\t"), key=header.count)
        return list(csv.DictReader(io.StringIO(text), delimiter=mark))
    rows = [json_value(line, str(path)) for line in read_lines(path)]
    if not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path} has a line that is not a json object; fetch it again")
    return rows


def pick_columns(path: Path, rows: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """File to label, by the first column that is called like either.

    Raises:
        InputError: there is no such column, or a file has two labels.
    """
    columns = [key for key in (rows[0] if rows else {}) if key is not None]
    file = next((name for name in FILE_COLUMNS if name in columns), None)
    label = next((name for name in LABEL_COLUMNS if name in columns), None)
    if file is None or label is None:
        kind, wanted = ("files", FILE_COLUMNS) if file is None else ("labels", LABEL_COLUMNS)
        raise InputError(
            f"{path} has the columns {', '.join(columns) or 'none'}, but none of {kind}; "
            f"name one of them {' or '.join(wanted[:2])}"
        )
    labels: dict[str, str] = {}
    for row in rows:
        name, value = str(row.get(file) or "").strip(), row.get(label)
        if not name or value is None or not str(value).strip():
            raise InputError(f"{path} has a row without {file if not name else label}; complete or remove it")
        value = unicodedata.normalize("NFC", str(value).strip())
        if labels.setdefault(name, value) != value:
            raise InputError(f"{path} gives {name} two labels, {labels[name]} and {value}; leave one")
    if labels and all("\\" in name and "/" not in name for name in labels):  # of a list written on Windows
        return {name.replace("\\", "/"): label for name, label in labels.items()}
    return labels
