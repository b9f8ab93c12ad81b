"""Any network that timm can build, once its name is known."""

from __future__ import annotations

import timm

from dinobench.models.build import suggestion
from dinobench.models.family import Facts, Family, Layout, Network
from dinobench.models.rewriting import Rewriting
from dinobench.models.timm_adapter import adapt_timm, create_timm, timm_preprocessing
from dinobench.runtime.errors import InputError


def timm_family(name: str) -> Family:
    """A family of one: the checkpoint of the timm model `name`, in timm's own names.

    Raises:
        InputError: timm has no such model.
    """
    if not timm.is_model(name):
        raise InputError(f"timm has no model {name!r}; {suggestion(name)}")
    network = create_timm(name, pretrained=False, image_size=None)
    anchor = next(iter(network.state_dict()))

    def translate(rewriting: Rewriting) -> None:
        rewriting.drop(r"(head\.fc|head|fc|classifier|head_dist)\.(weight|bias)$", "head")

    def build(rewriting: Rewriting, facts: Facts) -> Network:
        return Network(adapt_timm(network), name, timm_preprocessing(network).size)

    layout = Layout(f"{name}, timm names", (anchor,), translate, build)
    return Family(name="timm", title=f"timm's {name}", layouts=(layout,), preprocessing=timm_preprocessing(network))
