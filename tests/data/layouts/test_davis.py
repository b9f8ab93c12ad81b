from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinobench.data.layouts import davis, davis2016
from dinobench.data.masks import write_labels
from dinobench.data.registry import get_twin
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data
from tests.evaluators.videos import write_davis


def test_real_sequences() -> None:
    root = shared_data("davis")
    images, findings = davis.open(root, "val"), davis.check(root)
    assert len(images) == 132
    assert findings.problems == ()
    assert findings.counts == {"val sequences": 3, "val frames": 132, "val objects": 3}
    video = davis.read_video(root, "libby")
    assert video.labels(0).shape == (480, 854)
    assert len(video.frames) == len(video.masks) == 49


@pytest.mark.parametrize("name, layout", [("davis", davis), ("davis2016", davis2016)])
def test_twins_are_sound(name: str, layout: object, tmp_path: Path) -> None:
    get_twin(name).write(tmp_path, height=96)
    findings = layout.check(tmp_path)
    assert findings.problems == ()
    assert len(layout.open(tmp_path, "val")) == findings.counts["val frames"] == 30
    assert findings.counts["val objects"] == (7 if name == "davis" else 3)


def test_frame_lists_of_the_2016_release_serve(tmp_path: Path) -> None:
    root = write_davis(tmp_path)
    (root / "ImageSets" / "2016" / "val.txt").unlink()
    listing = root / "ImageSets" / "480p" / "val.txt"
    listing.parent.mkdir()
    names = [f"{sequence}/0000{frame}" for sequence in "ab" for frame in (0, 1)]
    listing.write_text("\n".join(f"/JPEGImages/480p/{name}.jpg /Annotations/480p/{name}.png" for name in names))
    assert davis.sequence_names(root, "val", "2016") == ("a", "b")


@pytest.mark.parametrize("year, other, task", [("2016", "2017", "davis"), ("2017", "2016", "davis2016")])
def test_a_folder_of_the_other_year_names_its_task(year: str, other: str, task: str, tmp_path: Path) -> None:
    root = write_davis(tmp_path)
    (root / "ImageSets" / year / "val.txt").unlink()
    with pytest.raises(InputError, match=f"the list of DAVIS {other} is there: --task {task} scores that"):
        davis.sequence_names(root, "val", year)


@pytest.mark.parametrize("folder, kind", [("JPEGImages", "frame"), ("Annotations", "mask")])
def test_a_frame_or_mask_without_its_partner_is_named(folder: str, kind: str, tmp_path: Path) -> None:
    root = write_davis(tmp_path)
    next((root / folder / "480p" / "two").glob("00003.*")).unlink()
    with pytest.raises(InputError, match=f"two lacks the {kind} 00003"):
        davis.read_video(root, "two")
    assert any("two" in line for line in davis.check(root).problems)


def test_a_mask_of_another_size_is_named(tmp_path: Path) -> None:
    root = write_davis(tmp_path)
    write_labels(root / "Annotations" / "480p" / "one" / "00002.png", np.ones((10, 10), dtype=np.uint8))
    with pytest.raises(InputError, match=r"00002\.png is 10 x 10 but its frame is 128 x 64"):
        davis.read_video(root, "one").all_labels()


def test_void_is_background_and_merging_keeps_it_as_object(tmp_path: Path) -> None:
    root = write_davis(tmp_path, ["one"])
    labels = np.zeros((64, 128), dtype=np.uint8)
    labels[0], labels[1] = 255, 2
    write_labels(root / "Annotations" / "480p" / "one" / "00000.png", labels)
    assert np.unique(davis.read_video(root, "one").labels(0)).tolist() == [0, 2]
    assert davis.read_video(root, "one", merged=True).labels(0).sum() == 2 * 128


@pytest.mark.parametrize("damage", ["no list", "empty list", "no frames", "too short"])
def test_what_cannot_be_opened_says_so(damage: str, tmp_path: Path) -> None:
    root = write_davis(tmp_path, ["one"], frames=2)
    listing = root / "ImageSets" / "2017" / "val.txt"
    if damage == "no list":
        listing.unlink()
    if damage == "empty list":
        listing.write_text("\n")
    if damage == "no frames":
        listing.write_text("absent\n")
    with pytest.raises(InputError):
        davis.read_video(root, "one") if damage == "too short" else davis.open(root, "val")
    assert davis.check(root).problems


@pytest.mark.parametrize("line", ["q /../../../victim", "../x", "/etc", "a/../../b x"])
def test_a_sequence_that_leads_out_of_the_folder_is_refused(line: str, tmp_path: Path) -> None:
    root = write_davis(tmp_path)
    (root / "ImageSets" / "2017" / "val.txt").write_text(f"two\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"sequence in .*val\.txt"):
        davis.sequence_names(root, "val", "2017")


@pytest.mark.parametrize("text", ["\ufeffone\r\ntwo\r\n", "  one \n\n two\n\n", "one\rtwo"])
def test_lists_of_any_editor_are_read(text: str, tmp_path: Path) -> None:
    root = write_davis(tmp_path)
    (root / "ImageSets" / "2017" / "val.txt").write_bytes(text.encode())
    assert davis.sequence_names(root, "val", "2017") == ("one", "two")


def test_sequences_in_folders_of_folders(tmp_path: Path) -> None:
    root = write_davis(tmp_path, ["clips/dog", "my dog"])
    assert davis.sequence_names(root, "val", "2017") == ("clips/dog", "my dog")
    assert davis.check(root).problems == () and len(davis.open(root, "val")) == 12
    lines = ["/JPEGImages/480p/clips/dog/00000.jpg /Annotations/480p/clips/dog/00000.png"]
    (root / "ImageSets" / "2016" / "val.txt").write_text("\n".join(lines))
    assert davis.sequence_names(root, "val", "2016") == ("clips/dog",)


def test_a_root_one_level_above_is_found(tmp_path: Path) -> None:
    write_davis(tmp_path / "DAVIS")
    assert len(davis.open(tmp_path, "val")) == 12
    assert davis.check(tmp_path).problems == ()
    assert len(davis.read_video(tmp_path, "one").frames) == 6


def test_frames_of_plain_numbers_are_in_time_order(tmp_path: Path) -> None:
    root = write_davis(tmp_path, ["one"], frames=12)
    for kind in ("JPEGImages", "Annotations"):
        for path in (root / kind / "480p" / "one").iterdir():
            path.rename(path.with_name(f"{int(path.stem)}{path.suffix}"))
    assert [path.stem for path in davis.read_video(root, "one").frames] == [str(number) for number in range(12)]


@pytest.mark.parametrize("mode", ["LA", "RGB", "RGBA"])
def test_gray_with_more_channels_is_read_where_numbers_do_not_count(mode: str, tmp_path: Path) -> None:
    root = write_davis(tmp_path, ["one"])
    video = davis.read_video(root, "one", merged=True)
    before = video.labels(2)
    gray = Image.fromarray(before * 255)
    (gray.convert(mode) if mode != "LA" else Image.merge("LA", (gray, Image.new("L", gray.size, 255)))).save(
        video.masks[2]
    )
    assert (video.labels(2) == before).all()
    with pytest.raises(InputError, match="object numbers need an indexed PNG"):
        davis.read_video(root, "one").labels(2)


@pytest.mark.parametrize("merged", [False, True])
def test_smoothed_masks_are_named(merged: bool, tmp_path: Path) -> None:
    root = write_davis(tmp_path, ["one"])
    path = davis.read_video(root, "one").masks[0]
    sharp = Image.fromarray(davis.read_video(root, "one").labels(0) * 200)
    small = sharp.resize((40, 20), Image.Resampling.BILINEAR).resize(sharp.size, Image.Resampling.BILINEAR)
    write_labels(path, np.asarray(small))
    with pytest.raises(InputError, match=r"00000\.png holds \d+ numbers, .*edges were smoothed"):
        davis.read_video(root, "one", merged=merged).labels(0)
    assert any("smoothed" in line for line in davis.check(root).problems)
