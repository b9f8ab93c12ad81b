"""Pictures as files: encoded in memory and written whole, since Pillow's own JPEG and GIF end early on a full disk."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image


def write_picture(path: Path, picture: Image.Image, kind: str, **options: Any) -> None:
    """Write a picture to `path`, in a folder that is there.

    Args:
        path: of the file, which is replaced.
        picture: of Pillow.
        kind: Pillow's name of the format: JPEG, PNG, GIF.
        options: of the format.

    Raises:
        OSError: the bytes cannot be written, to the last.
    """
    encoded = io.BytesIO()
    picture.save(encoded, kind, **options)
    path.write_bytes(encoded.getvalue())
