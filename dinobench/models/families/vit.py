"""Any vision transformer in the released names, with nothing that tells whose it is: DINO's own, first of all."""

from __future__ import annotations

from dinobench.models.key_layouts import vit
from dinobench.models.loading.family import Family

FAMILY = Family(name="vit", title="a vision transformer in DINO's names", layouts=(vit.LAYOUT,), order=90)
