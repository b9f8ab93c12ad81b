"""Image files become 8-bit RGB, or one line that says which file is bad and why."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from dinobench.runtime.errors import InputError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})
# A palette with transparency or odd EXIF is not the user's concern; set once, since filters are not safe in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
_SIXTEEN_BIT = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})


def is_image_name(name: str) -> bool:
    """Whether a file of this name is taken for an image (the suffixes that torchvision's ImageFolder takes)."""
    return Path(name).suffix.lower() in IMAGE_SUFFIXES


def to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB of any mode, as Pillow's `convert("RGB")` gives it; EXIF orientation is left alone.

    Sixteen-bit grayscale is the exception: Pillow clips it to white, here it is scaled to eight bits.
    """
    if image.mode in _SIXTEEN_BIT:
        levels = np.clip(np.asarray(image, dtype=np.float64), 0, 65535)
        image = Image.fromarray(np.rint(levels / 257).astype(np.uint8))
    return image if image.mode == "RGB" else image.convert("RGB")


def read_rgb(path: Path) -> Image.Image:
    """Decode an image file wholly into RGB.

    Raises:
        InputError: the file is missing, empty, not an image, truncated, corrupt, or a decompression bomb.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read image {path}: {error.strerror}; check the path and its permissions") from error
    return decode_rgb(data, str(path))


def decode_rgb(data: bytes, where: str) -> Image.Image:
    """Decode the bytes of an image file wholly into RGB; `where` names it in errors.

    Raises:
        InputError: the bytes are empty, not an image, truncated, corrupt, or a decompression bomb.
    """
    if not data:
        raise InputError(f"cannot decode image {where}: the file is empty; replace or remove it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a palette with transparency, odd EXIF: not the user's concern
            with Image.open(io.BytesIO(data)) as image:
                image.load()  # an RGB image is handed on as it is and must outlive the file
                return to_rgb(image)
    except UnidentifiedImageError as error:
        reason = "not an image of a known format, or its header is corrupt"
        raise InputError(f"cannot decode image {where}: {reason}; replace or remove it") from error
    except Exception as error:  # Pillow's plugins raise anything from SyntaxError to struct.error on bad bytes
        raise InputError(f"cannot decode image {where}: {_one_line(error)}; replace or remove it") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
