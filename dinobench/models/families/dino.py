"""DINO: full checkpoints of the released trainer and of ours, with the head beside the backbone."""

from dinobench.models.family import Family
from dinobench.models.layouts import vit

FAMILY = Family(
    name="dino",
    title="DINO",
    layouts=(vit.LAYOUT,),
    signs=(r"head\.mlp\.0\.weight$", r"head\.last_layer\."),
    order=40,
)
