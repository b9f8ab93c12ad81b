"""Any network that timm or `build_backbone` can build, once its name is known."""

from __future__ import annotations

import timm

from dinobench.models.loading.conversion import Rewriting
from dinobench.models.loading.family import Facts, Family, Layout, Network
from dinobench.models.networks.backbone import Backbone, Preprocessing
from dinobench.models.networks.build import build_backbone, suggestion
from dinobench.models.networks.timm_adapter import adapt_timm, create_timm, timm_preprocessing
from dinobench.runtime.errors import InputError


def timm_family(name: str) -> Family:
    """A family of one: the checkpoint of the timm model `name`, in timm's own names.

    Raises:
        InputError: timm has no such model.
    """
    if not timm.is_model(name):
        raise InputError(f"timm has no model {name!r}; {suggestion(name)}")
    network = create_timm(name, pretrained=False, image_size=None)
    return _family_of(
        "timm", f"timm's {name}", name, adapt_timm(network), timm_preprocessing(network), "from timm's config"
    )


def built_family(name: str) -> Family:
    """A family of one: a checkpoint of what `build_backbone` makes of a torchvision or timm name.

    Raises:
        InputError: nobody knows the name.
    """
    return _family_of("built", name, name, build_backbone(name), Preprocessing(), "")


def _family_of(
    family: str, title: str, name: str, backbone: Backbone, preprocessing: Preprocessing, source: str
) -> Family:
    def translate(rewriting: Rewriting) -> None:
        rewriting.drop(r"(head\.fc|head|fc|classifier|head_dist)\.(weight|bias)$", "head")

    def build(rewriting: Rewriting, facts: Facts) -> Network:
        return Network(backbone, name, preprocessing.size)

    layout = Layout(f"{name}, its own names", (next(iter(backbone.state_dict())),), translate, build)
    return Family(name=family, title=title, layouts=(layout,), preprocessing=preprocessing, preprocessing_source=source)
