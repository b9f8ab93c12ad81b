"""What a layout tells of an image beyond its class: masks, boxes."""

from __future__ import annotations

from typing import Any

from dinobench.data.dataset import ImageSet
from dinobench.data.registry import get_layout
from dinobench.evaluators.base import EvaluationContext
from dinobench.runtime.errors import InputError


def layout_reader(context: EvaluationContext[Any], images: ImageSet, function: str, lacks: str, layouts: str) -> Any:
    """The layout's function of that name, from a set and an index to what the image has.

    Args:
        context: whose layout is asked.
        images: must lie in files.
        function: its name in the layout, such as object_boxes.
        lacks: what the data lack where the layout has no such function, for the message.
        layouts: which layouts have it, for the message.

    Raises:
        InputError: the layout has no such function.
    """
    read = getattr(get_layout(context.layout), function, None)
    if read is None or images.root is None:
        raise InputError(f"{context.data} has {lacks}; give a folder in the layout {layouts}")
    return read
