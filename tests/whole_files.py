"""Whether a file that dinobench wrote is whole, by its own format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet
import torch
from PIL import Image
from safetensors.numpy import load_file


def not_whole(path: Path) -> str:
    """What is wrong with a file; empty where it is whole or its format is none of those known here."""
    read = _READERS.get(path.suffix)
    try:
        if read is not None:
            read(path)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _read_lines(path: Path) -> None:
    text = path.read_text()
    if text and not text.endswith("\n"):
        raise ValueError("its last line does not end")
    for line in text.splitlines():
        json.loads(line)


def _read_table(path: Path) -> None:
    if not path.read_text().endswith("\n"):
        raise ValueError("its last line does not end")


def _read_picture(path: Path) -> None:
    with Image.open(path) as picture:
        picture.load()


def _read_page(path: Path) -> None:
    if "</html>" not in path.read_text():
        raise ValueError("the page does not end")


_READERS: dict[str, Callable[[Path], object]] = {
    ".json": lambda path: json.loads(path.read_text()),
    ".jsonl": _read_lines,
    ".csv": _read_table,
    ".npy": np.load,
    ".npz": lambda path: dict(np.load(path)),
    ".parquet": pyarrow.parquet.read_table,
    ".safetensors": load_file,
    ".pth": lambda path: torch.load(path, weights_only=False, map_location="cpu"),
    ".html": _read_page,
    **dict.fromkeys((".png", ".jpg", ".gif"), _read_picture),
}
