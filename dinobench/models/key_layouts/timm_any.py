"""Any network that timm or `build_backbone` can build, once its name is known."""

from __future__ import annotations

import re

from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.family import Family, KeyLayout, ModelFacts, Network
from dinobench.models.networks.backbone import Backbone, Preprocessing
from dinobench.models.networks.build import build_backbone
from dinobench.models.networks.network_names import suggestion
from dinobench.models.networks.timm_adapter import adapt_timm, classifier_parts, create_timm, timm_preprocessing
from dinobench.runtime.errors import InputError


def timm_family(name: str) -> Family:
    """A family of one: the checkpoint of the timm model `name`, in timm's own names.

    Raises:
        InputError: timm has no such model.
    """
    import timm  # here: with torchvision it takes seconds, which most models need not wait for

    if not timm.is_model(name):
        raise InputError(f"timm has no model {name!r}; {suggestion(name, ['timm'])}")
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
    expected = backbone.state_dict()
    config = getattr(getattr(backbone, "network", None), "pretrained_cfg", None) or {}
    heads = {re.escape(part.split(".")[0]) for part in classifier_parts(config.get("classifier"))}
    beginnings = "|".join(sorted(heads | {"head", "fc", "classifier", "head_dist"}))

    def translate(conversion: StateDictConversion) -> None:
        for stored in conversion.matching(rf"({beginnings})\."):
            if stored not in expected:
                conversion.drop(rf"{re.escape(stored)}$", "head")

    def build(conversion: StateDictConversion, facts: ModelFacts) -> Network:
        return Network(backbone, name, preprocessing.size)

    names = [stored for stored in expected if not stored.endswith("num_batches_tracked")]
    anchors = tuple(dict.fromkeys((names[0], names[-1])))  # the first alone may stand in a block, too
    layout = KeyLayout(f"{name}, its own names", anchors, translate, build)
    return Family(name=family, title=title, layouts=(layout,), preprocessing=preprocessing, preprocessing_source=source)
