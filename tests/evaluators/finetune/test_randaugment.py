from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image, ImageOps
from timm.data import auto_augment

from dinobench.evaluators.finetune.randaugment import OPERATIONS, RandAugment, parse_rand_augment
from dinobench.runtime.errors import InputError

FILL = (124, 116, 104)
TIMMS = list(auto_augment._RAND_INCREASING_TRANSFORMS)


@pytest.fixture
def photo() -> Image.Image:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    return coarse.resize((64, 64), Image.Resampling.BICUBIC)


def _timms(name: str, level: float, image: Image.Image, sign: float, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    monkeypatch.setattr(auto_augment, "_randomly_negate", lambda value: sign * value)
    operation = auto_augment.AugmentOp(
        name, prob=1.0, magnitude=level, hparams={"img_mean": FILL, "interpolation": Image.Resampling.BICUBIC}
    )
    return np.asarray(operation(image)).astype(int)


class _Sign(random.Random):
    """Draws one side of `_signed` for ever."""

    def __init__(self, sign: float) -> None:
        super().__init__(0)
        self.sign = sign

    def random(self) -> float:
        return 0.9 if self.sign < 0 else 0.1


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("level", [0.0, 3.3, 9.0, 9.7])
@pytest.mark.parametrize(("ours", "name"), list(zip(OPERATIONS, TIMMS, strict=True)), ids=TIMMS)
def test_every_operation_is_timms(
    ours: object, name: str, level: float, sign: float, photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = _timms(name, level, photo, sign, monkeypatch)
    found = ours(np.asarray(photo), level / 10, _Sign(sign), FILL).astype(int)  # type: ignore[operator]
    off = np.abs(found - expected)
    if name.startswith(("Shear", "Translate")):
        assert (off > 1).any(-1).mean() <= 2 / 64  # the image's very edge, see test_row_shift
    elif name.startswith(("Color", "Contrast", "Brightness", "Sharpness")):
        assert off.max() <= 1  # where a blend falls on a whole level
        assert off.mean() < 0.02
    else:
        assert not off.any()


def test_full_posterization_keeps_one_bit(photo: Image.Image) -> None:
    found = OPERATIONS[TIMMS.index("PosterizeIncreasing")](np.asarray(photo), 1.0, random.Random(0), FILL)
    assert np.array_equal(found, np.asarray(ImageOps.posterize(photo, 1)))


def test_half_of_two_drawn_operations_are_applied(photo: Image.Image) -> None:
    augment = RandAugment(9.0, 0.5, FILL)
    image = np.asarray(photo)
    untouched = sum(augment(image, random.Random(seed)) is image for seed in range(400))
    assert 70 <= untouched <= 130


def test_the_generator_alone_decides(photo: Image.Image) -> None:
    augment = RandAugment(9.0, 0.5, FILL)
    first, again = (augment(np.asarray(photo), random.Random(3)) for _ in range(2))
    others = [augment(np.asarray(photo), random.Random(seed)) for seed in range(10)]
    assert np.array_equal(first, again)
    assert not all(np.array_equal(first, other) for other in others)


def test_timms_notation_is_understood() -> None:
    assert parse_rand_augment("rand-m9-mstd0.5-inc1", FILL) == RandAugment(9.0, 0.5, FILL)
    assert parse_rand_augment("rand-m6-n4-p0.3-inc1", FILL) == RandAugment(6.0, 0.0, FILL, 4, 0.3)
    assert parse_rand_augment("", FILL) is None
    with pytest.raises(InputError, match="not understood"):
        parse_rand_augment("original-m9", FILL)
