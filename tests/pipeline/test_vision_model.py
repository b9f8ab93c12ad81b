from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms

import dinobench
from dinobench.pipeline.vision_model import VisionModel

INPUT = dinobench.Preprocessing((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), size=32, resize=36)
BICUBIC = transforms.InterpolationMode.BICUBIC


class Patches(nn.Module):
    """Answers with a map, with tokens or with a mean, of 4 x 4 cells."""

    def __init__(self, answer: str = "map") -> None:
        super().__init__()
        self.cells, self.answer = nn.Conv2d(3, 5, 8, stride=8), answer

    def forward(self, images: Tensor) -> object:
        found = self.cells(images)
        if self.answer == "map":
            return found
        tokens = found.flatten(2).transpose(1, 2)
        first = tokens.mean(1, keepdim=True)
        whole = torch.cat([first, 2 * first, tokens], 1)
        return {"tokens": whole, "row": tokens, "mapping": {"last_hidden_state": whole}, "text": "none"}[self.answer]


def compose(*middle: object) -> transforms.Compose:
    return transforms.Compose(
        [
            transforms.Resize(36, BICUBIC),
            *middle,
            transforms.CenterCrop(32),
            transforms.ToTensor(),
            transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ]
    )


@pytest.fixture(scope="module")
def model() -> VisionModel:
    return dinobench.load_backbone("random:vit_mini/4")


@pytest.fixture
def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)) for _ in range(5)]


def test_maps_are_those_of_the_call(model: VisionModel, pictures: list[Image.Image]) -> None:
    batch = torch.stack([model.transform(picture) for picture in pictures])
    found = model.features(pictures, ["patches", "patches.2+keys", "mean"], device="cpu")
    np.testing.assert_allclose(found["patches"], model(batch).patches, atol=1e-5)
    np.testing.assert_allclose(found["patches"].mean((1, 2)), found["mean"], atol=1e-5)
    assert found["patches.2+keys"].shape == (5, 8, 8, 192)


def test_what_it_says_and_gives(model: VisionModel) -> None:
    assert repr(model) == "VisionModel(random_vit_mini_4: vit_mini/4, 96 features, 0.5M parameters, 32 px)"
    answer = model(torch.zeros(2, 3, 32, 40))
    assert answer.cls.shape == (2, 96)
    assert answer.patches.shape == (2, 8, 10, 96)
    gray = pickle.loads(pickle.dumps(model.transform))(Image.new("L", (50, 40)))
    assert gray.shape == (3, 32, 32)


def test_every_kind_of_images_gives_the_same_rows(
    model: VisionModel, pictures: list[Image.Image], tmp_path: Path
) -> None:
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
    batch = torch.stack([model.transform(picture) for picture in pictures])
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(batch, torch.zeros(5)), batch_size=2)
    expected = model(batch).cls.numpy()
    paths = sorted(tmp_path.iterdir())
    for images in (pictures, tmp_path, str(tmp_path), paths, batch, loader, dinobench.open_images(tmp_path)):
        np.testing.assert_allclose(model.features(images, batch_size=3), expected, atol=2e-5)
    several = model.features(pictures, ["cls", "mean+cls.2"])
    assert {name: rows.shape for name, rows in several.items()} == {"cls": (5, 96), "mean+cls.2": (5, 192)}
    assert model.features(paths[0]).shape == (1, 96)


@pytest.mark.parametrize(
    ("images", "line"),
    [
        ([], "no image to take features of"),
        ([1], "int is not a batch of images"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), r"torch.uint8 tensor \(2, 3, 8, 8\) is not a batch"),
    ],
)
def test_refuses_what_is_no_image(model: VisionModel, images: object, line: str) -> None:
    with pytest.raises(dinobench.InputError, match=line):
        model.features(images)  # type: ignore[call-overload]


@pytest.mark.parametrize("answer", ["map", "tokens", "row", "mapping"])
def test_a_module_is_read_by_the_shape_of_its_answer(answer: str) -> None:
    module = Patches(answer)
    wrapped = dinobench.wrap_module(module, INPUT)
    image = torch.rand(2, 3, 32, 48)
    found, cells = wrapped(image), module.cells(image).detach()
    assert wrapped.backbone.patch_size == 8
    torch.testing.assert_close(found.patches, cells.permute(0, 2, 3, 1))
    torch.testing.assert_close(found.cls, cells.mean((2, 3)))
    assert (found.registers is not None) == (answer in ("tokens", "mapping"))


def test_a_module_stays_as_it_is() -> None:
    module = timm.create_model("resnet18").train()
    wrapped = dinobench.wrap_module(module, name="mine")
    assert module.training and module.fc.out_features == 1000
    assert (wrapped.name, wrapped.backbone.dim) == ("mine", 512)


def test_modules_with_equal_tensors_but_other_answers_are_told_apart() -> None:
    module = Patches()
    other = Patches("tokens")
    other.load_state_dict({name: value.clone() for name, value in module.state_dict().items()})
    other.cells.stride = (4, 4)
    wrapped = [dinobench.wrap_module(each, INPUT).loaded for each in (module, other)]
    assert wrapped[0].sha256 == wrapped[1].sha256
    assert wrapped[0].identity != wrapped[1].identity


def test_a_transform_is_read_and_tried() -> None:
    assert dinobench.wrap_module(Patches(), compose()).preprocessing == INPUT
    for extra, line in (
        (transforms.RandomCrop(34), "has RandomCrop, which evaluation does not take"),
        (transforms.Resize((30, 40), BICUBIC), "is not a square"),
        (transforms.Resize(20, BICUBIC), "does more than resize"),
    ):
        with pytest.raises(dinobench.InputError, match=line):
            dinobench.wrap_module(Patches(), compose(extra))
    with pytest.raises(dinobench.InputError, match="comes without a transform"):
        dinobench.wrap_module(Patches())
    with pytest.raises(dinobench.InputError, match="has no Normalize"):
        dinobench.wrap_module(Patches(), transforms.Compose(compose().transforms[:-1]))


def test_refuses_modules_that_answer_otherwise() -> None:
    with pytest.raises(dinobench.InputError, match="Patches answers with a str"):
        dinobench.wrap_module(Patches("text"), INPUT)
    with pytest.raises(dinobench.InputError, match="Linear does not take images"):
        dinobench.wrap_module(nn.Linear(3, 2), INPUT)


def test_its_record_says_what_it_is(tmp_path: Path) -> None:
    how = {"ks": [20], "predictions": False}
    (record,) = dinobench.evaluate(
        "knn", model=Patches(), transform=compose(), data="digits", output=str(tmp_path), settings=how
    )
    assert record.model.spec == "a module given in Python"
    assert "the model is a module given in Python" in record.because
    assert record.model.preprocessing["resize"] == 36
    with pytest.raises(dinobench.InputError, match="image_size is a setting of loading"):
        dinobench.evaluate("knn", dinobench.wrap_module(Patches(), INPUT), "digits", settings={"image_size": 48})
    with pytest.raises(dinobench.InputError, match="transform belongs to an nn"):
        dinobench.evaluate("knn", "pixels", "digits", transform=compose())
