"""Image files become 8-bit RGB, or one line that says which file is bad and why."""

from __future__ import annotations

import functools
import io
import math
import os
import re
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_bytes, require_regular

# Endings of every picture format that Pillow opens by itself; films, documents and tables (fli, pdf, eps, h5) are none.
IMAGE_SUFFIXES = frozenset(
    """.apng .avif .avifs .blp .bmp .bw .cur .dcx .dds .dib .ftc .ftu .gbr .gif .icb .icns .ico .im .j2c .j2k .jfif
    .jp2 .jpc .jpe .jpeg .jpf .jpg .jpx .msp .pbm .pcd .pcx .pfm .pgm .png .pnm .ppm .psd .pxr .qoi .ras .rgb .rgba
    .sgi .tga .tif .tiff .vda .vst .webp .xbm .xpm""".split()  # noqa: SIM905 (a list of sixty lines tells no more)
)
# A palette with transparency or odd EXIF is not the user's concern; set once, since filters are not safe in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
_SIXTEEN_BIT = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})


def is_image_name(name: str) -> bool:
    """Whether a file of this name is taken for an image (the endings of what Pillow opens, in any case)."""
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
        InputError: the file is missing, no file, empty, not an image, truncated, corrupt, or over Pillow's limit.
    """
    try:
        data = read_bytes(path)
    except InputError as error:
        raise InputError(str(error).replace("cannot read ", "cannot read image ", 1)) from error
    return decode_rgb(data, str(path))


def decode_rgb(data: bytes, where: str) -> Image.Image:
    """Decode the bytes of an image file wholly into RGB; `where` names it in errors.

    Raises:
        InputError: the bytes are empty, not an image, truncated, corrupt, or over Pillow's limit of pixels.
    """
    if not data:
        raise InputError(f"cannot decode image {where}: the file is empty; replace or remove it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a palette with transparency, odd EXIF: not the user's concern
            with open_image(io.BytesIO(data)) as image:
                image.load()  # an RGB image is handed on as it is and must outlive the file
                return to_rgb(image)
    except Exception as error:  # Pillow's plugins raise anything from SyntaxError to struct.error on bad bytes
        raise InputError(f"cannot decode image {where}: {fault_of(error)}") from error


def image_size(path: Path) -> tuple[int, int]:
    """Width and height that the header of an image file states; its pixels are not decoded.

    Raises:
        InputError: the file is missing, no file, or not an image.
    """
    try:
        with open_image(path) as image:
            return image.size
    except InputError:
        raise
    except Exception as error:  # Pillow's plugins raise anything on bad bytes
        raise InputError(f"cannot decode image {path}: {fault_of(error)}") from error


def open_image(source: Path | io.BytesIO) -> Image.Image:
    """Pillow's image, of formats that Pillow decodes by itself: EPS and its like would start another program.

    Raises:
        InputError: `source` is a pipe, a device or a folder.
        Exception: whatever Pillow raises; `fault_of` says it in words.
    """
    _limit_megapixels()
    if isinstance(source, Path):
        require_regular(source)
    try:
        return Image.open(source, formats=_COMMON)
    except UnidentifiedImageError:
        return Image.open(source, formats=_rarer_formats())


def fault_of(error: Exception) -> str:
    """What is wrong with an image and what to do, from the exception that decoding it raised."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image of a known format, or its header is corrupt; replace or remove it"
    if isinstance(error, Image.DecompressionBombError):
        pixels = int(next(iter(re.findall(r"\d+", str(error))), "0"))
        return (
            f"it has {math.ceil(pixels / 1e6)} megapixels, more than Pillow's limit of {_limit_megapixels():.0f}; "
            f"shrink it, or set {LIMIT_VARIABLE}={math.ceil(pixels / 1e6)}"
        )
    return f"{_one_line(error)}; replace or remove it"


LIMIT_VARIABLE = "DINOBENCH_MAX_MEGAPIXELS"
_COMMON = ("JPEG", "PNG", "PPM", "BMP", "GIF")
_RARE = ("TIFF", "WEBP", "AVIF", "MPO", "JPEG2000", "DIB", "ICO", "PCX", "SGI", "QOI", "PSD", "DDS", "TGA")


@functools.cache
def _rarer_formats() -> tuple[str, ...]:
    """Those of the rarer formats that this Pillow was built with."""
    Image.init()
    return tuple(name for name in _RARE if name in Image.OPEN)


def _limit_megapixels() -> float:
    """Megapixels above which Pillow refuses an image; the user's number where there is one."""
    _take_the_users_limit()
    return 2 * (Image.MAX_IMAGE_PIXELS or math.inf) / 1e6


@functools.cache
def _take_the_users_limit() -> None:
    if text := os.environ.get(LIMIT_VARIABLE):
        try:
            Image.MAX_IMAGE_PIXELS = math.ceil(float(text) * 1e6 / 2)  # Pillow warns at half of what it refuses
        except (ValueError, OverflowError) as error:
            raise InputError(f"{LIMIT_VARIABLE}={text} is not a number of megapixels; give one such as 400") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
