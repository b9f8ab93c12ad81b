"""The gallery: best queries above worst ones, hits and misses framed in their colors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image, ImageColor

from dinobench.evaluators.retrieval.gallery import COLORS, draw_gallery
from dinobench.runtime.errors import InputError


def write(root: Path, count: int = 5) -> Path:
    (root / "jpg").mkdir()
    queries = []
    for index in range(count):
        Image.new("RGB", (60, 40), (20 * index, 0, 0)).save(root / "jpg" / f"{index}.jpg")
        results = [
            {"image": f"jpg/{index}.jpg", "verdict": "easy", "similarity": 0.9},
            {"image": None, "verdict": "miss", "similarity": 0.5},
        ]
        precision = {"medium": None if index == 4 else 10.0 * index}
        query = {"query": f"jpg/{index}.jpg", "box": [5, 5, 30, 30], "average_precision": precision, "results": results}
        queries.append(query)
    path = root / "rankings.json"
    path.write_text(json.dumps({"root": str(root), "queries": queries}))
    return path


def test_frames_say_what_was_found(tmp_path: Path) -> None:
    draw_gallery(write(tmp_path), tmp_path / "gallery.png", rows=1, results=2)
    with Image.open(tmp_path / "gallery.png") as opened:
        colors = {color for _, color in opened.convert("RGB").getcolors(10**6)}
    assert {ImageColor.getrgb(COLORS[name]) for name in ("query", "easy", "miss")} <= colors


def test_more_rows_make_a_taller_picture(tmp_path: Path) -> None:
    path = write(tmp_path)
    heights = []
    for rows in (1, 2, 9):
        draw_gallery(path, tmp_path / "gallery.png", rows=rows)
        with Image.open(tmp_path / "gallery.png") as opened:
            heights.append(opened.height)
    assert heights[0] < heights[1] == heights[2]  # 4 queries count, so no more than 2 are best


def test_one_query_and_lost_images_still_draw(tmp_path: Path) -> None:
    path = write(tmp_path, count=1)
    (tmp_path / "jpg" / "0.jpg").unlink()
    draw_gallery(path, tmp_path / "gallery.png")
    assert (tmp_path / "gallery.png").stat().st_size > 0


@pytest.mark.parametrize("content", ["{", "[]", '{"root": ".", "queries": []}'])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "rankings.json").write_text(content)
    with pytest.raises(InputError, match=r"rankings\.json"):
        draw_gallery(tmp_path / "rankings.json", tmp_path / "gallery.png")
    assert not (tmp_path / "gallery.png").exists()
