"""Names of networks without their libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dinobench.models.networks.network_names import suggestion


def test_names_read_from_the_source_are_those_that_the_libraries_have() -> None:
    code = """
from dinobench.models.networks import network_names as names
found = {library: set(names._registered_names(library)) for library in ("timm", "torchvision")}
assert not names.may_exist("vit_tinny_patch16_224") and not names.may_exist("resnet18", [])
assert names.may_exist("vit_tiny_patch16_224.augreg_in21k") and names.may_exist("ResNet18", ["torchvision"])
import timm, torchvision
assert found["timm"] == set(timm.list_models())
assert found["torchvision"] == set(torchvision.models.list_models(module=torchvision.models))
assert names.may_exist("vit_tinny_patch16_224"), "a loaded library is asked itself"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "libraries", "near"),
    [
        ("vit_smal/16", ("torchvision", "timm"), "vit_small/16"),
        ("resnet5O", ("timm",), "resnet50"),
        ("resnet5O", ("torchvision",), "resnet50"),
    ],
)
def test_a_suggestion_names_each_network_once_and_of_that_library(
    name: str, libraries: tuple[str, ...], near: str
) -> None:
    named = suggestion(name, libraries).removeprefix("did you mean ").removesuffix("?").split(" or ")
    assert near in named
    assert len(named) == len(set(named))


def test_a_name_that_is_like_none_is_told_what_to_use() -> None:
    assert suggestion("q", ["timm"]) == "use a name of timm"
    assert suggestion("q").startswith("use vit_SIZE/PATCH")
