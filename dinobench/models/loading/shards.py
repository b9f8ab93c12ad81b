"""Checkpoints of one file or of several: shards, or parts, of which one file says what lies where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dinobench.models.loading.container import CheckpointContents, open_container
from dinobench.models.loading.distributed_folder import open_distributed
from dinobench.models.loading.model_paths import DISTRIBUTED, INDEX
from dinobench.models.loading.opened_once import kept_contents
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_json
from dinobench.runtime.names import safe_name

_SHARD = re.compile(r"-(\d+)-of-(\d+)\.(safetensors|bin)$")


def open_checkpoint(path: Path) -> CheckpointContents:
    """Open a checkpoint file, all the shards of an index, or a distributed checkpoint; once within `opened_once`.

    Raises:
        InputError: as `open_container`; one shard of several; a damaged index, or a missing shard.
    """
    return kept_contents(path, _open_file)


def _open_file(path: Path) -> CheckpointContents:
    if path.name.endswith(INDEX):
        return _open_shards(path)
    if path.name == DISTRIBUTED:
        return open_distributed(path)
    if (found := _SHARD.search(path.name)) and int(found[2]) > 1:
        raise InputError(f"{path} is shard {int(found[1])} of {int(found[2])}; give the folder {path.parent}")
    return open_container(path)


def _open_shards(index: Path) -> CheckpointContents:
    places = _shard_places(index)
    opened = {name: open_container(index.parent / name) for name in sorted(set(places.values()))}
    absent = [tensor for tensor, name in places.items() if tensor not in opened[name].content]
    if absent:
        raise InputError(f"{index} names {absent[0]!r:.80} in {places[absent[0]]}, which lacks it; download it again")
    content = {tensor: opened[name].content[tensor] for tensor, name in places.items()}
    return CheckpointContents(
        "shards", content, tuple(item for contents in opened.values() for item in contents.ignored)
    )


def _shard_places(index: Path) -> Mapping[str, str]:
    """Which shard holds which tensor."""
    table: Any = read_json(index)
    places = table.get("weight_map") if isinstance(table, Mapping) else None
    if not isinstance(places, Mapping) or not places or not all(isinstance(name, str) for name in places.values()):
        raise InputError(f"{index} holds no weight_map of shards; download it again")
    for name in set(places.values()):
        safe_name(name, f"shard in {index}")
        if not (index.parent / name).is_file():
            raise InputError(f"{index} names the shard {name}, which is not there; download the whole folder")
    return places
