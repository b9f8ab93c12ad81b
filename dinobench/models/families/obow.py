"""OBoW: feature blocks of a student and a teacher; the published feature extractor is the student's."""

from __future__ import annotations

from dinobench.models.key_layouts import resnet
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="obow",
    title="OBoW",
    layouts=(resnet.BLOCKS_LAYOUT,),
    order=30,
    branch="student",
)
