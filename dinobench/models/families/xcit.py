"""XCiT, supervised or trained by DINO, in its released names."""

from __future__ import annotations

from dinobench.models.family import Family
from dinobench.models.layouts import xcit

FAMILY = Family(name="xcit", title="XCiT", layouts=(xcit.LAYOUT,), order=45)
