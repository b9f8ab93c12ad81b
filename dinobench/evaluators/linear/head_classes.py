"""Which class each row of a head stands for, where its file or a list beside it numbers them.

class names in the file itself                    ours; a list `classes`, a table `class_to_idx` of a torch file
id2label of config.json beside it                 transformers
class_to_idx.json, classes.json, classes.txt      beside it; a table from name to number, or a list in order
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from dinobench.evaluators.linear.heads import LinearHead
from dinobench.models.loading.container import CheckpointContents
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import json_value, read_json, read_text
from dinobench.runtime.text import first_few

_WORDS = ("classes", "class_names", "class_to_idx", "id2label")
_LISTS = ("config.json", "class_to_idx.json", "classes.json", "classes.txt")
_PLACEHOLDER = "LABEL_0"  # what transformers writes where nobody named the classes


@dataclass(frozen=True)
class RowNames:
    """Class names by row of a head.

    Attributes:
        names: one for each row, none where nothing numbers them.
        source: what numbers them, in words.
    """

    names: tuple[str, ...] = ()
    source: str = ""

    def in_order_of(self, head: LinearHead, classes: Sequence[str]) -> tuple[LinearHead, list[str]]:
        """The head with its rows in the order of the data's classes, and the line that says on whose word."""
        if not self.names:
            return head, _order_of_numbers(classes)
        rows = _rows_of(self.names, classes)
        if rows is None:
            return head, [
                f"{self.source} names the head's rows otherwise ({first_few(self.names)}) than the data their classes "
                f"({first_few(classes)}); row i is taken for the i-th class of the data"
            ]
        order = torch.tensor(rows)
        return LinearHead(head.weight[order], head.bias[order]), [
            f"the head's rows are numbered by {self.source}: {first_few(self.names)}"
        ]


def row_names(path: Path, contents: CheckpointContents, rows: int) -> RowNames:
    """What numbers the rows of a head: its own file, else a list beside it with a name for each row."""
    for source, found in (*_in_file(path, contents), *_beside(path)):
        names = _as_names(found)
        if len(names) == len(set(names)) == rows and _PLACEHOLDER not in names:
            return RowNames(names, source)
    return RowNames()


def _in_file(path: Path, contents: CheckpointContents) -> list[tuple[str, object]]:
    if contents.kind == "safetensors":
        with safe_open(path, framework="pt") as archive:
            text = (archive.metadata() or {}).get("classes", "null")
        return [("its own file", json_value(text, f"{path}, classes"))]
    return [(f"{word} in its file", contents.content[word]) for word in _WORDS if word in contents.content]


def _beside(path: Path) -> Iterator[tuple[str, object]]:
    for name in _LISTS:
        place = path.with_name(name)
        if not place.is_file():
            continue
        try:
            content = read_text(place).splitlines() if place.suffix == ".txt" else read_json(place)
        except InputError:
            continue  # a neighbor that cannot be read speaks for nobody
        if name == "config.json":
            content = content.get("id2label") if isinstance(content, Mapping) else None
        yield f"{name} beside it", content


def _as_names(found: object) -> tuple[str, ...]:
    """Names in the order of their numbers, of a list, of {number: name} or of {name: number}; none of anything else."""
    if isinstance(found, Mapping):
        pairs = list(found.items())
        if all(str(key).isdecimal() and isinstance(value, str) for key, value in pairs):
            pairs = [(value, int(key)) for key, value in pairs]
        if sorted(str(number) for _, number in pairs) != sorted(str(number) for number in range(len(pairs))):
            return ()
        found = [name for name, _ in sorted(pairs, key=lambda pair: int(pair[1]))]
    if not isinstance(found, (list, tuple)):
        return ()
    return tuple(unicodedata.normalize("NFC", str(name).strip()) for name in found if str(name).strip())


def _rows_of(names: Sequence[str], classes: Sequence[str]) -> list[int] | None:
    """The row of each class, by name or, where all are numbers, by value; None where they are not the same names."""
    if all(name.isdecimal() for name in (*names, *classes)):
        names, classes = ([str(int(name)) for name in each] for each in (names, classes))
    place = {name: row for row, name in enumerate(names)}
    return [place[name] for name in classes] if place.keys() == set(classes) else None


def _order_of_numbers(classes: Sequence[str]) -> list[str]:
    """A line where classes are numbers that stand in the order of text, which a head may not have been trained in."""
    if not all(name.isdecimal() for name in classes) or sorted(classes, key=int) == list(classes):
        return []
    return [
        f"class folders are numbers, and row i of the head is taken for the i-th in order of text "
        f"({first_few(classes)}), as torchvision sorts folders; if row i is class i, put classes.txt beside the head, "
        "with a name on each line in the order of the rows"
    ]
