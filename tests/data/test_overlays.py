from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinobench.data.overlays import GAP, outline, overlay, save_moving, save_picture, sheet, shrink, with_key

Gray = np.full((20, 30, 3), 100, dtype=np.uint8)


def test_objects_are_tinted_and_void_and_ground_are_not() -> None:
    labels = np.zeros((20, 30), dtype=np.uint8)
    labels[:, 10:20], labels[:, 20:] = 1, 255
    tinted = overlay(Gray, labels)
    assert (tinted[:, :9] == 100).all()
    assert (tinted[:, 20:] == 100).all()
    assert (tinted[5, 15] == [(100 + 128) // 2, 50, 50]).all()
    assert (tinted[:, 10] == 255).all()
    assert (Gray == 100).all()


def test_an_outline_has_a_dark_line_on_both_sides_so_that_any_photograph_shows_it() -> None:
    light, mask = np.full((20, 30, 3), 255, dtype=np.uint8), np.zeros((20, 30), dtype=bool)
    mask[5:, 10:] = True
    row = outline(light, mask, np.array([255, 225, 25], np.uint8))[15]
    assert (row[:9] == 255).all()
    assert (row[9] == row[12]).all() and row[9].max() < 60
    assert (row[10:12] == [255, 225, 25]).all()
    assert (row[13:] == 255).all()


def test_shrinking_keeps_the_aspect_and_never_enlarges() -> None:
    assert shrink(Gray, 15).shape == (10, 15, 3)
    assert shrink(Gray, 60) is Gray


def test_a_sheet_holds_every_picture_in_its_cell() -> None:
    picture = sheet([[Gray, Gray], [Gray // 2]])
    assert picture.shape == (2 * (20 + GAP) + GAP, 2 * (30 + GAP) + GAP, 3)
    assert (picture[GAP : GAP + 20, GAP : GAP + 30] == 100).all()
    assert (picture[2 * GAP + 20 : 2 * GAP + 40, GAP : GAP + 30] == 50).all()
    assert (picture[-20:, -30:] == 255).all()


def test_captions_stand_in_the_corner_of_their_picture() -> None:
    plain = sheet([[Gray, Gray], [Gray, Gray]])
    captioned = sheet([[Gray, Gray], [Gray, Gray]], [["a"], ["b", "c"]])
    changed = (plain != captioned).any(axis=2)
    cells = [(GAP, GAP), (GAP, 2 * GAP + 30), (2 * GAP + 20, GAP), (2 * GAP + 20, 2 * GAP + 30)]
    assert [bool(changed[top : top + 20, left : left + 30].any()) for top, left in cells] == [True, False, True, True]
    assert captioned[changed].min() == 0 and captioned[changed].max() > 200


def test_a_key_names_every_color_in_lines_that_fit() -> None:
    wide = np.full((20, 120, 3), 100, dtype=np.uint8)
    keyed = with_key(wide, {"road": (200, 0, 0), "building": (0, 200, 0), "sky": (0, 0, 200)})
    assert (keyed[:20] == wide).all()
    assert keyed.shape[1] == 120
    tops = [int(np.argwhere((keyed == color).all(2))[:, 0].min()) for color in ((200, 0, 0), (0, 200, 0), (0, 0, 200))]
    assert 20 < tops[0] < tops[1] < tops[2]
    assert (keyed[:, -1] >= 100).all()
    assert (keyed == 0).all(2).any()


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_pictures_are_saved_by_suffix(suffix: str, tmp_path: Path) -> None:
    save_picture(tmp_path / f"a{suffix}", Gray)
    assert np.abs(np.asarray(Image.open(tmp_path / f"a{suffix}")).astype(int) - 100).max() <= 2


def test_moving_pictures_have_all_frames(tmp_path: Path) -> None:
    save_moving(tmp_path / "a.gif", [Gray, Gray // 2, Gray // 3], 0.1)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 3
        assert image.info["duration"] == 100
