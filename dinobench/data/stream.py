"""`hf:NAME` read as a stream: images in the order in which they arrive, never all on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dinobench.data.huggingface import image_column, import_datasets, pick_split, split_spec
from dinobench.runtime.errors import InputError
from dinobench.runtime.hub import hub_or_cache


@dataclass(frozen=True, eq=False)
class ImageStream:
    """Encoded images of one split.

    Attributes:
        name: for messages.
        length: number of images, or None where the data do not tell.
        rows: the `datasets.IterableDataset`.
        column: where the images are.
    """

    name: str
    length: int | None
    rows: Any
    column: str

    def encoded(self, *, seed: int, epoch: int, buffer: int, rank: int = 0, processes: int = 1) -> Iterator[bytes]:
        """Image files of one epoch in an order that seed and epoch decide: shards shuffled, then a buffer.

        Each process reads shards of its own where their number is a multiple of the processes, else every n-th image.
        """
        from datasets.distributed import split_dataset_by_node

        shuffled = self.rows.shuffle(seed=(seed << 24) + epoch, buffer_size=max(buffer, 1))
        for row in split_dataset_by_node(shuffled, rank=rank, world_size=processes):
            cell = row[self.column]
            yield Path(cell["path"]).read_bytes() if cell["bytes"] is None else cell["bytes"]


def open_stream(spec: str, split: str) -> ImageStream:
    """Open `NAME[/SPLIT]` for streaming: a hub data set, or a folder that `datasets` can read.

    Raises:
        InputError: `datasets` is not installed, the name or split is unknown, offline, or there is no image column.
    """
    datasets = import_datasets()
    name, chosen = split_spec(spec, split)
    try:
        with hub_or_cache(remote=not Path(name).exists()):
            chosen = pick_split(name, chosen, datasets.get_dataset_split_names(name))
            rows = datasets.load_dataset(name, split=chosen, streaming=True)
            features = rows.features or rows._resolve_features().features
    except InputError:
        raise
    except Exception as error:  # the hub client raises its own, httpx's and OS errors
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"cannot stream hf:{name}: {reason}; check the name and the network") from error
    column = image_column(name, features)
    known = (rows.info.splits or {}).get(chosen)
    rows = rows.select_columns([column]).cast_column(column, datasets.Image(decode=False))
    return ImageStream(f"hf:{name}/{chosen}", known.num_examples if known else None, rows, column)
