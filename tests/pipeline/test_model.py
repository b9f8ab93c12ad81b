"""The one door from a model's name to a network: cards, digests, files by path."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import torch

from dinobench.cards import load_models
from dinobench.models.loading.spec import load_backbone as load_plain
from dinobench.pipeline.model import ModelRequest, load_backbone, resolve_model
from dinobench.pipeline.run import evaluate
from dinobench.results.records import RunRecord
from dinobench.runtime.errors import InputError

CARD = (
    'title = "Mine"\nmethod = "DINO"\narchitecture = "vit_tiny/16"\nfamily = "dino"\nsource = "me"\nlicense = "MIT"\n'
)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint in the released layout, and an empty cache."""
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "dino_mini_pretrain.pth"
    torch.save(load_plain("random:vit_tiny/16").backbone.state_dict(), path)
    return path


def cards(folder: Path, name: str = "dino_mini", **fields: str) -> Path:
    folder.mkdir(exist_ok=True)
    lines = "".join(f'{key} = "{value}"\n' for key, value in fields.items())
    (folder / f"{name}.toml").write_text(CARD + lines)
    return folder


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetched(weights: Path, tmp_path: Path) -> Path:
    """The file where `models fetch` would have put it."""
    place = tmp_path / "cache" / "weights" / "dino_mini.pth"
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(weights, place)
    return place


def test_another_file_under_a_cards_name_is_refused(weights: Path, tmp_path: Path) -> None:
    fetched(weights, tmp_path)
    folder = cards(tmp_path / "cards", weights="https://nowhere.invalid/dino_mini_pretrain.pth", sha256="0" * 64)
    with pytest.raises(InputError, match="is not the file of card dino_mini"):
        resolve_model(ModelRequest("dino_mini", models_dir=folder))


def test_a_card_without_a_digest_is_not_verified_and_a_second_file_is_noticed(weights: Path, tmp_path: Path) -> None:
    place = fetched(weights, tmp_path)
    folder = cards(tmp_path / "cards", weights="https://nowhere.invalid/dino_mini_pretrain.pth")
    first = resolve_model(ModelRequest("dino_mini", models_dir=folder))
    assert first.unverified == "weights of dino_mini are not verified"
    assert digest(place) in first.notes[0]
    torch.save(load_plain("random:vit_tiny/16", settings={"init_seed": 1}).backbone.state_dict(), place)
    second = resolve_model(ModelRequest("dino_mini", models_dir=folder))
    assert "they differ" in second.notes[0]


@pytest.mark.parametrize("name", ["dino_mini_pretrain.pth", "renamed.pth"])
def test_a_released_file_by_path_is_known_by_its_digest(weights: Path, tmp_path: Path, name: str) -> None:
    path = weights.rename(tmp_path / name)
    url = "https://nowhere.invalid/dino_mini_pretrain.pth"
    folder = cards(tmp_path / "cards", weights=url, sha256=digest(path)[:16])
    found = resolve_model(ModelRequest(str(path), models_dir=folder))
    assert (found.card and found.card.name, found.backbone.name) == ("dino_mini", "dino_mini")
    assert found.unverified == ""
    assert found.notes[0] == "taken for dino_mini by its sha256; --card none undoes it"
    alone = resolve_model(ModelRequest(str(path), card="none", name="mine", models_dir=folder))
    assert (alone.card, alone.backbone.name) == (None, "mine")


def test_a_released_name_needs_the_architecture_as_well(weights: Path, tmp_path: Path) -> None:
    folder = cards(tmp_path / "cards", weights="https://nowhere.invalid/dino_mini_pretrain.pth")
    found = resolve_model(ModelRequest(str(weights), models_dir=folder))
    assert found.notes[0] == "taken for dino_mini by its name; --card none undoes it"
    assert found.unverified == "weights of dino_mini are not verified"
    torch.save(load_plain("random:vit_tiny/8").backbone.state_dict(), weights)
    assert resolve_model(ModelRequest(str(weights), models_dir=folder)).card is None


def test_a_file_that_is_called_as_a_released_one_and_is_another_says_so(weights: Path, tmp_path: Path) -> None:
    folder = cards(tmp_path, weights="https://example.org/dino_mini.pth", sha256="0" * 8)
    file = shutil.copy(weights, tmp_path / "dino_mini.pth")
    found = resolve_model(ModelRequest(str(file), models_dir=folder))
    assert found.card is None
    assert found.notes[0] == "called as the file of dino_mini, whose sha256 00000000 it has not; taken for no card"
    assert "called" not in resolve_model(ModelRequest(str(file), card="none", models_dir=folder)).notes[0]


def test_a_card_named_by_the_user_is_checked(weights: Path, tmp_path: Path) -> None:
    url = "https://nowhere.invalid/other.pth"
    folder = cards(tmp_path / "cards", weights=url, sha256="0" * 64)
    with pytest.raises(InputError, match="is not the file of card dino_mini"):
        resolve_model(ModelRequest(str(weights), card="dino_mini", models_dir=folder))
    with pytest.raises(InputError, match="did you mean dino_mini"):
        resolve_model(ModelRequest(str(weights), card="dino_mino", models_dir=folder))


def test_a_card_of_ones_own_names_a_file_beside_it(weights: Path, tmp_path: Path) -> None:
    folder = cards(tmp_path / "cards", name="mine", weights=f"../{weights.name}")
    model = load_backbone("mine", models_dir=folder)
    assert (model.name, model.architecture) == ("mine", "vit_tiny/16")


def test_a_card_of_the_working_directory_names_files_below_it_alone(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = weights.parent / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    cards(place / "reference_models", name="mine", weights=f"../../{weights.name}")
    with pytest.raises(InputError, match=f"names weights outside {place}"):
        load_backbone("mine")
    copied = place / "checkpoint.pth"
    copied.write_bytes(weights.read_bytes())
    cards(place / "reference_models", name="mine", weights=f"../{copied.name}")
    assert load_backbone("mine").name == "mine"


def test_a_card_never_names_code(tmp_path: Path) -> None:
    folder = cards(tmp_path / "cards", weights="random:vit_tiny/16")
    with (folder / "dino_mini.toml").open("a") as stream:
        stream.write('[settings]\nfamily_file = "conf.py"\n')
    with pytest.raises(InputError, match="names family_file"):
        load_models(folder)


def test_a_card_of_drawn_weights_is_drawn_by_its_own_settings_and_stands_for_no_other_seed(tmp_path: Path) -> None:
    folder = cards(tmp_path / "cards", weights="random:vit_tiny/16")
    with (folder / "dino_mini.toml").open("a") as stream:
        stream.write("[settings]\ninit_seed = 3\nimage_size = 32\n")
    found = resolve_model(ModelRequest("dino_mini", models_dir=folder)).backbone
    same = load_plain("random:vit_tiny/16", settings={"init_seed": 3, "image_size": 32})
    assert (found.sha256, found.preprocessing.size) == (same.sha256, 32)
    plain = resolve_model(ModelRequest("random:vit_tiny/16", models_dir=folder))
    assert plain.card is None
    other = resolve_model(ModelRequest("dino_mini", {"init_seed": 4}, models_dir=folder)).backbone
    assert other.sha256 != found.sha256


def test_a_card_that_replaces_a_built_in_one_says_so(tmp_path: Path) -> None:
    folder = cards(tmp_path / "cards", name="dino_vits16", weights="random:vit_tiny/16")
    found = resolve_model(ModelRequest("dino_vits16", models_dir=folder))
    assert found.notes[0] == f"card {folder / 'dino_vits16.toml'} replaces the built-in card dino_vits16"
    assert found.unverified == found.notes[0]


RELEASED = (
    CARD
    + """weights = "dino_mini_pretrain.pth"
[released_settings]
model = { interpolation = "bilinear", resize_size = 40 }
knn = { features = ["prenorm"], ks = [3], main_k = 3 }
"""
)


def released(weights: Path, **settings: object) -> RunRecord:
    (weights.parent / "mine.toml").write_text(RELEASED)
    more = {"image_size": 32, **settings}
    (record,) = evaluate("knn", "mine", "mini", "released", weights.parent / "out", more, models_dir=weights.parent)
    return record


def test_the_protocol_of_the_source_takes_images_and_features_from_the_card(weights: Path) -> None:
    record = released(weights)
    assert (record.model.preprocessing["interpolation"], record.model.preprocessing["resize"]) == ("bilinear", 40)
    assert record.settings["features"] == ["prenorm"]
    assert "resize_size: 40 (card mine)" in record.model.choices
    assert "image_size: 32 (set by you)" in record.model.choices
    assert not record.comparable


def test_what_the_user_sets_stands_above_the_card(weights: Path) -> None:
    record = released(weights, resize_size=36, features=["mean"])
    assert record.model.preprocessing["resize"] == 36
    assert record.settings["features"] == ["mean"]
    assert record.protocol.hash == released(weights).protocol.hash
    plain = load_backbone("mine", models_dir=weights.parent)
    assert plain.preprocessing.interpolation == "bicubic"


def test_without_a_card_that_tells_the_protocol_of_the_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no card says how for pixels; name the card by --card, or take --protocol"):
        evaluate("knn", "pixels", "mini", "released", tmp_path)
