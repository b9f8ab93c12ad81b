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


def note_annotations(context: EvaluationContext[Any], role: str, *sets: ImageSet) -> None:
    """Count the masks, depth maps, boxes or points of sets to the data of the record, by their content.

    Other annotations under the same images are other data. The layout's function `annotation_files` names them.
    """
    files = vars(get_layout(context.layout))["annotation_files"]
    context.note_files(role, [path for images in sets for path in files(images)])
