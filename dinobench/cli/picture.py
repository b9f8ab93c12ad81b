"""`dinobench picture`: what patch features say, as pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinobench.cli.options import SETTINGS, CommandGroup, SizeOption, not_empty

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Maps = list[tuple[NDArray[np.uint8], Tensor]]

_WIDTH, _COLUMNS = 320, 5


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        SETTINGS,
        click.option(
            "--size", type=SizeOption(), default="448", show_default=True, help="Shorter side, or WIDTHxHEIGHT."
        ),
        click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder for the pictures."),
        click.option(
            "--model", callback=not_empty, required=True, help="File, run directory, timm:NAME or random:ARCH."
        ),
        click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


@click.group(cls=CommandGroup, name="picture")
def command() -> None:
    """Draw what patch features say of photographs."""


@command.command()
@_options
@click.option("--whole", is_flag=True, help="Color the background too.")
def pca(
    images: tuple[Path, ...],
    model: str,
    output: Path,
    size: int | tuple[int, int],
    settings: tuple[str, ...],
    whole: bool,
) -> None:
    """Color patches by their first three principal components, one basis for all images.

    The first component of all patches tells the foreground; the three are those of its patches.

    \b
    dinobench picture pca dog.jpg cat.jpg --model checkpoint.pth --output pictures
    """  # noqa: D301  (click reads the backspace as "do not wrap")
    found = _patch_maps(images, model, size, settings)
    from dinobench.evaluators.common.patch_pictures import enlarged
    from dinobench.metrics.component_colors import component_colors, foregrounds

    maps = [each for _, each in found]
    colors = component_colors(maps, None if whole else foregrounds(maps))
    drawn = [enlarged(each, pixels) for each, (pixels, _) in zip(colors, found, strict=True)]
    legend = "components 1 to 3 as RGB" + ("" if whole else ", background black")
    _save(output, "pca", images, found, drawn, legend)


@command.command()
@_options
@click.option("--at", nargs=2, type=click.IntRange(0), required=True, help="X Y: pixel of the first image, as it is.")
def nearest(
    images: tuple[Path, ...],
    model: str,
    output: Path,
    size: int | tuple[int, int],
    settings: tuple[str, ...],
    at: tuple[int, int],
) -> None:
    """Show how like each patch of all images is to the patch at one pixel of the first.

    \b
    dinobench picture nearest dog.jpg cat.jpg --at 210 95 --model checkpoint.pth --output pictures
    """  # noqa: D301
    found = _patch_maps(images, model, size, settings)
    from dinobench.data.decode import read_rgb
    from dinobench.evaluators.attention_segmentation.pictures import blend
    from dinobench.metrics.component_colors import likeness
    from dinobench.runtime.errors import InputError

    whole, (pixels, first) = read_rgb(images[0]), found[0]
    if at[0] >= whole.width or at[1] >= whole.height:
        raise InputError(f"pixel {at[0]} {at[1]} lies outside {images[0]} of {whole.width} x {whole.height}")
    patch = pixels.shape[0] // first.shape[0]
    row, column = _patch_at(at, whole.size, size, patch, (first.shape[0], first.shape[1]))
    maps = likeness(first[row, column], [each for _, each in found])
    drawn = [blend(pixels, each) for each, (pixels, _) in zip(maps, found, strict=True)]
    drawn[0] = _mark_patch(drawn[0], row * patch, column * patch, patch)
    _save(output, "nearest", images, found, drawn, "yellow: like the patch in red")


def _mark_patch(pixels: NDArray[np.uint8], top: int, left: int, side: int) -> NDArray[np.uint8]:
    """The picture with the patch at (top, left) in red, framed in white at a distance so that the eye finds it."""
    marked, red = pixels.copy(), (255, 0, 0)

    def around(reach: int) -> tuple[slice, slice]:
        return slice(max(0, top - reach), top + side + reach), slice(max(0, left - reach), left + side + reach)

    marked[around(2 * side)] = 255
    marked[around(2 * side - 2)] = red
    inner = around(2 * side - 5)
    marked[inner] = pixels[inner]
    marked[around(0)] = red
    return marked


def _patch_at(
    at: tuple[int, int], whole: tuple[int, int], size: int | tuple[int, int], patch: int, grid: tuple[int, int]
) -> tuple[int, int]:
    """Row and column of the patch at a pixel (x, y) of an image of `whole` (width, height), which `size` resizes."""
    from dinobench.data.transforms import shorter_side_size

    shown = shorter_side_size(*whole, size) if isinstance(size, int) and size else size or whole
    assert isinstance(shown, tuple)
    column, row = (at[axis] * shown[axis] // whole[axis] // patch for axis in (0, 1))
    return min(row, grid[0] - 1), min(column, grid[1] - 1)


def _patch_maps(images: tuple[Path, ...], model: str, size: int | tuple[int, int], settings: tuple[str, ...]) -> Maps:
    from dinobench.pipeline.early import refuse_early

    refuse_early(model, images=images)
    from dinobench.data.decode import read_rgb
    from dinobench.evaluators.common.patch_pictures import patch_maps
    from dinobench.models.loading.settings import ModelSettings
    from dinobench.pipeline.model import ModelRequest, resolve_model
    from dinobench.pipeline.settings import RunSettings
    from dinobench.runtime.device import pick_device, prepare_device
    from dinobench.runtime.settings import known_changes, parse_pairs, refuse_unknown, resolve

    changes = parse_pairs(settings)
    refuse_unknown(changes, [RunSettings, ModelSettings])
    run = resolve(RunSettings, known_changes(RunSettings, changes), "picture")
    device = pick_device(run.device)
    prepare_device(device)
    loaded = resolve_model(ModelRequest(model, known_changes(ModelSettings, changes))).backbone
    return patch_maps(loaded, [read_rgb(path) for path in images], size, device, run.precision)


def _save(
    output: Path, kind: str, images: tuple[Path, ...], found: Maps, drawn: list[NDArray[np.uint8]], legend: str
) -> None:
    """Each picture by the number and name of its image, and all below the images on one sheet with a legend."""
    from dinobench.data.overlays import save_picture, sheet, shrink

    for number, (path, picture) in enumerate(zip(images, drawn, strict=True)):
        save_picture(output / f"{kind}_{number:03d}_{path.stem}.png", picture)
    above, below = ([shrink(each, _WIDTH) for each in row] for row in ([pixels for pixels, _ in found], drawn))
    starts = range(0, len(above), _COLUMNS)
    rows = [row[start : start + _COLUMNS] for start in starts for row in (above, below)]
    captions = [words for _ in starts for words in ([], [legend])]
    save_picture(output / f"{kind}.png", sheet(rows, captions))
    click.echo(output / f"{kind}.png")
