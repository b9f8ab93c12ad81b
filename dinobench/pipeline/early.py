"""What can be refused before torch is imported, which takes seconds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dinobench.cards import load_models
from dinobench.pipeline.data_specs import refuse_missing_data
from dinobench.pipeline.model import ModelRequest, refuse_missing_model
from dinobench.runtime.errors import InputError


def refuse_early(
    model: str | None = None, data: str | None = None, images: Iterable[Path] = (), models_dir: Path | None = None
) -> None:
    """Refuse at once what is not there.

    Args:
        model: Model SPEC, if there is one.
        data: Data SPEC, if there is one.
        images: image files.
        models_dir: folder with further model cards.

    Raises:
        InputError: the model, the data or an image is not there.
    """
    for image in images:
        if not image.is_file():
            raise InputError(f"no image {image}; check the path")
    if model:
        refuse_missing_model(ModelRequest(model, models_dir=models_dir), load_models(models_dir))
    if data:
        refuse_missing_data(data)
