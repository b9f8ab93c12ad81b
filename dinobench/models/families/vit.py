"""Any vision transformer in the released names, with nothing that tells whose it is: DINO's own, first of all."""

from __future__ import annotations

from dinobench.models.family import Family
from dinobench.models.layouts import vit

FAMILY = Family(name="vit", title="a vision transformer in DINO's names", layouts=(vit.LAYOUT,), order=90)
