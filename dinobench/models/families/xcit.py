"""XCiT, supervised or trained by DINO, in its released names."""

from __future__ import annotations

from dinobench.models.key_layouts import xcit
from dinobench.models.loading.family import Family

FAMILY = Family(name="xcit", title="XCiT", layouts=(xcit.LAYOUT,), order=45)
