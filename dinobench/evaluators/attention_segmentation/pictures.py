"""Attention maps as pictures: per head, as masks, over the image, and all of them in a grid (Figures 1 and 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.overlays import outline, save_picture, shrink
from dinobench.runtime.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Picture = NDArray[np.uint8]
Heat = NDArray[np.floating[Any]]
Cell = tuple[str, Picture]
FORMATS = ("png", "pdf", "svg")
COLOR_MAP = "viridis"
_WIDTH, _COLUMNS = 320, 7  # pixels of a picture in the grid; columns before it goes on below
_LINE = np.array([255, 225, 25], np.uint8)  # yellow stands out on most photographs
_STRONGEST = 0.8  # share of the color over the image where attention is highest


@dataclass(frozen=True, kw_only=True)
class MapStyle:
    """How maps are drawn.

    Attributes:
        percentile: of the weights, where the color scale ends: above the hottest patches, which would darken the rest.
        smooth: whether patches fade into one another, in place of blocks.
        format: of the files.
    """

    percentile: float = 99.0
    smooth: bool = False
    format: Literal["png", "pdf", "svg"] = "png"


def scaled(weights: Heat, percentile: float) -> Heat:
    """A map in [0, 1]: 0 the lowest weight, 1 the percentile and above; zeros where all weights are equal."""
    low, high = float(weights.min()), float(np.percentile(weights, percentile))
    high = high if high > low else float(weights.max())
    return np.clip((weights - low) / (high - low), 0, 1) if high > low else np.zeros_like(weights)


def enlarged(values: Heat, shape: tuple[int, int], *, smooth: bool) -> Heat:
    """Values (h, w) at `shape`: blocks, or bicubic."""
    way = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    image = Image.fromarray(values.astype(np.float32))
    large: Heat = np.clip(np.asarray(image.resize((shape[1], shape[0]), way)), 0, 1)
    return large


def heat(weights: Heat, shape: tuple[int, int], style: MapStyle) -> Picture:
    """One map (h, w) in false colors at `shape`."""
    return _colors(enlarged(scaled(weights, style.percentile), shape, smooth=style.smooth))


def blend(pixels: Picture, weights: Heat, percentile: float = 99.0) -> Picture:
    """An image (H, W, 3) under a smooth map (h, w) that hides it only where attention is high."""
    values = enlarged(scaled(weights, percentile), (pixels.shape[0], pixels.shape[1]), smooth=True)
    share = _STRONGEST * values[..., None] ** 2
    mixed: Picture = ((1 - share) * pixels + share * _colors(values)).round().astype(np.uint8)
    return mixed


def head_masks(pixels: Picture, masks: NDArray[np.bool_]) -> list[Picture]:
    """The image with each head's mask (heads, H, W) outlined, one picture per head."""
    return [outline(pixels, mask, _LINE) for mask in masks]


def draw_attention(
    folder: Path, pixels: Picture, weights: Heat, masks: NDArray[np.bool_], style: MapStyle | None = None
) -> dict[str, Path]:
    """Write head_N and mask_N, from N = 1, overlay (mean over heads) and grid; returns their paths by name.

    Args:
        folder: made if need be.
        pixels: (H, W, 3) image.
        weights: (heads, h, w).
        masks: (heads, H, W).
        style: of the maps; the grid has a color bar.
    """
    drawn = _Drawn.of(pixels, weights, masks, style := style or MapStyle())
    pictures = {"overlay": drawn.mean}
    pictures |= {f"head_{number}": picture for number, picture in enumerate(drawn.maps, start=1)}
    pictures |= {f"mask_{number}": picture for number, picture in enumerate(drawn.outlined, start=1)}
    paths = {name: folder / f"{name}.{style.format}" for name in ["grid", *pictures]}
    for name, picture in pictures.items():
        _save(paths[name], picture)
    _save_figure(paths["grid"], _grid(drawn.pairs(pixels), style))
    return paths


def attention_figure(pixels: Picture, weights: Heat, masks: NDArray[np.bool_], style: MapStyle | None = None) -> Figure:
    """The grid of `draw_attention` as a figure of matplotlib, which a notebook shows; arguments as there."""
    drawn = _Drawn.of(pixels, weights, masks, style := style or MapStyle())
    return _grid(drawn.pairs(pixels), style)


def draw_models(path: Path, looks: Sequence[tuple[str, Picture, Heat]], style: MapStyle) -> None:
    """One image as several models see it: the mean over the heads of each, over the image and alone.

    Args:
        path: of the figure, in the format of its ending.
        looks: name of each model, the image (H, W, 3) as it saw it, and its weights (heads, h, w).
        style: of the maps.
    """
    pairs: list[tuple[Cell, ...]] = [(("image", looks[0][1]),)]
    for name, pixels, weights in looks:
        mean, shape = weights.mean(axis=0), (pixels.shape[0], pixels.shape[1])
        pairs.append(((name, blend(pixels, mean, style.percentile)), ("mean of the heads", heat(mean, shape, style))))
    _save_figure(path, _grid(pairs, style))


@dataclass(frozen=True)
class _Drawn:
    """The pictures of one image: each head's map and outlined mask, and the mean over the image."""

    maps: list[Picture]
    outlined: list[Picture]
    mean: Picture

    @classmethod
    def of(cls, pixels: Picture, weights: Heat, masks: NDArray[np.bool_], style: MapStyle) -> _Drawn:
        """Draw them; arguments as in `draw_attention`."""
        maps = [heat(head, (pixels.shape[0], pixels.shape[1]), style) for head in weights]
        return cls(maps, head_masks(pixels, masks), blend(pixels, weights.mean(axis=0), style.percentile))

    def pairs(self, pixels: Picture) -> list[tuple[Cell, ...]]:
        """Captioned pictures, two above one another: image and mean, then each head's map and mask."""
        heads = enumerate(zip(self.maps, self.outlined, strict=True), start=1)
        rest: list[tuple[Cell, ...]] = [
            ((f"head {number}", above), (f"mask {number}", below)) for number, (above, below) in heads
        ]
        return [(("image", pixels), ("mean of the heads", self.mean)), *rest]


def _grid(pairs: Sequence[tuple[Cell, ...]], style: MapStyle) -> Figure:
    """A figure of captioned pictures, at most two above one another, with the maps' color bar."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    blocks = [pairs[start : start + _COLUMNS] for start in range(0, len(pairs), _COLUMNS)]
    columns, aspect = max(map(len, blocks)), pairs[0][0][1].shape[0] / pairs[0][0][1].shape[1]
    size = (2.2 * columns + 1.0, (2.2 * aspect + 0.3) * 2 * len(blocks))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(2 * len(blocks), columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for number, block in enumerate(blocks):
        for column, pair in enumerate(block):
            for line, (caption, picture) in enumerate(pair):
                axis = axes[2 * number + line, column]
                axis.imshow(shrink(picture, _WIDTH), interpolation="none")
                axis.set_title(caption, fontsize=11)
    bar = figure.colorbar(ScalarMappable(cmap=COLOR_MAP), ax=axes, ticks=[0, 1], pad=0.01, shrink=0.7, aspect=40)
    bar.ax.set_yticklabels(["lowest", f"percentile\n{style.percentile:g}"], fontsize=10)
    bar.set_label("attention of the class token, each map", fontsize=10)
    return figure


def _colors(values: Heat) -> Picture:
    import matplotlib

    colors: Picture = (255 * matplotlib.colormaps[COLOR_MAP](values)[..., :3]).round().astype(np.uint8)
    return colors


def _save(path: Path, picture: Picture) -> None:
    """A picture alone, pixel by pixel, in the format of the file's ending."""
    if path.suffix == ".png":
        save_picture(path, picture)
        return
    from matplotlib.figure import Figure

    height, width = picture.shape[:2]
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    figure.figimage(picture)
    _save_figure(path, figure, dpi=100)


def _save_figure(path: Path, figure: Figure, dpi: int = 150) -> None:
    import matplotlib

    style = path.suffix.removeprefix(".")
    undated: Any = {"Date": None} if style == "svg" else {"CreationDate": None} if style == "pdf" else None
    with atomic_path(path) as temporary, matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "dinobench"}):
        figure.savefig(temporary, format=style, dpi=dpi, metadata=undated)
