"""A gallery of the best and worst queries of a retrieval run, hits and misses colored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from dinobench.data.picture_files import write_picture
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path, read_json
from dinobench.runtime.names import inside

TILE = 120
FRAME = 5
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "GIF", "TIFF", "WEBP")  # those that Pillow decodes by itself
LINE = 16
COLORS = {"query": "#1f4e9e", "easy": "#1a7f37", "hard": "#7fbf3f", "junk": "#9a9a9a", "miss": "#c62828"}
"""Frames: a hit is green (light where it counts as hard), a miss red, what no setup counts gray."""


def draw_gallery(rankings: Path, output: Path, *, setup: str = "medium", rows: int = 4, results: int = 8) -> None:
    """Draw the best and the worst queries of a rankings.json into one PNG.

    Args:
        rankings: as the retrieval evaluator writes it.
        output: the PNG.
        setup: "easy", "medium" or "hard": whose average precision orders the queries.
        rows: best queries shown, and as many of the worst; fewer where there are not twice as many.
        results: first results shown of each query.

    Raises:
        InputError: the file is not a rankings.json, or no query counts in this setup.
    """
    content = _read_rankings(rankings)
    scored = [query for query in content["queries"] if query["average_precision"].get(setup) is not None]
    if not scored:
        raise InputError(f"{rankings} has no query with an average precision in setup {setup}")
    ordered = sorted(scored, key=lambda query: -query["average_precision"][setup])
    count = max(1, min(rows, len(ordered) // 2))
    groups = {"best": ordered[:count], "worst": ordered[max(count, len(ordered) - count) :]}
    picture = _draw_all(Path(content["root"]), groups, setup, results)
    with atomic_path(output) as temporary:
        write_picture(temporary, picture, "PNG", optimize=True)


def _read_rankings(rankings: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = read_json(rankings)
        return {"root": content["root"], "queries": list(content["queries"])}
    except (InputError, KeyError, TypeError) as error:
        raise InputError(
            f"{rankings} is not the rankings.json of a retrieval run; score roxford or rparis first"
        ) from error


def _draw_all(root: Path, groups: Mapping[str, Sequence[Mapping[str, Any]]], setup: str, results: int) -> Image.Image:
    cell = TILE + 2 * FRAME
    height = sum(LINE * 2 + len(queries) * (cell + LINE) for queries in groups.values() if queries) + LINE * 2
    canvas = Image.new("RGB", ((results + 1) * (cell + FRAME) + 3 * FRAME, height), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(12)
    top = _draw_legend(draw, font)
    for title, queries in groups.items():
        if queries:
            draw.text((FRAME, top + FRAME), f"{title} queries, {setup}", "black", font)
            top += LINE * 2
        for query in queries:
            _draw_row(canvas, draw, font, root, query, setup, top, results)
            top += cell + LINE
    return canvas


def _draw_legend(draw: ImageDraw.ImageDraw, font: Any) -> int:
    left = FRAME
    for name, color in COLORS.items():
        draw.rectangle((left, FRAME, left + 10, FRAME + 10), fill=color)
        draw.text((left + 14, FRAME - 2), name, "black", font)
        left += 30 + 7 * len(name)
    return LINE * 2


def _draw_row(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    font: Any,
    root: Path,
    query: Mapping[str, Any],
    setup: str,
    top: int,
    results: int,
) -> None:
    tiles = [(query["query"], "query", query.get("box"))]
    tiles += [(result["image"], result["verdict"], None) for result in query["results"][:results]]
    step = TILE + 3 * FRAME
    for place, (name, verdict, box) in enumerate(tiles):
        left = FRAME + place * step + (FRAME if place else 0)
        canvas.paste(_draw_tile(root, name, COLORS[verdict], box), (left, top))
    name = Path(query["query"]).stem
    draw.text((FRAME, top + TILE + 2 * FRAME), f"{name}  AP {query['average_precision'][setup]:.1f}", "black", font)


def _draw_tile(root: Path, name: str | None, color: str, box: Sequence[float] | None) -> Image.Image:
    """An image in its colored frame; an empty one where the image is not to be had (distractors, moved data)."""
    try:
        if name is None:
            raise OSError
        with Image.open(inside(root, name, "image of the rankings"), formats=_FORMATS) as opened:
            picture = opened.convert("RGB")
    except Exception:  # moved, damaged, or a name that leads elsewhere
        picture, box = Image.new("RGB", (TILE, TILE), "#e8e8e8"), None
    if box is not None and all(side == side for side in box):
        ImageDraw.Draw(picture).rectangle(tuple(box), outline="#ffd400", width=max(2, max(picture.size) // 60))
    return ImageOps.expand(ImageOps.pad(picture, (TILE, TILE), color="white"), FRAME, color)
