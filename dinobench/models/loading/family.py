"""What a checkpoint family is: signs by which it is known, how its tensors are named, what its weights expect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from dinobench.models.loading.choices import Choice
from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.state_dict import State
from dinobench.models.networks.backbone import Backbone, Preprocessing
from dinobench.runtime.errors import InputError
from dinobench.runtime.plugins import plugin, plugin_names, run_file
from dinobench.runtime.suggest import unknown


class ModelFacts:
    """What is known of a network besides its tensors, the strongest source first; remembers what was asked."""

    def __init__(self, *sources: tuple[str, Mapping[str, Any]]) -> None:
        self._sources = sources
        self._choices: dict[str, Choice] = {}

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Every fact that was asked for and known, with where it is known from."""
        return tuple(self._choices.values())

    @property
    def notes(self) -> dict[str, str]:
        """The same as texts, by name."""
        return {choice.what: f"{choice.value} ({choice.source})" for choice in self.choices}

    def source(self, name: str) -> str:
        """Where a fact that was asked for is known from."""
        return self._choices[name].source

    def note(self, name: str, value: object, source: str) -> None:
        """Remember a fact that was found elsewhere."""
        self._choices[name] = Choice(name, str(value), source)

    def get(self, name: str, default: Any = None, origin: str = "by convention") -> Any:
        """The value of `name` from the strongest source that has it, else `default`; both are noted."""
        for source, values in self._sources:
            if values.get(name) not in (None, "", 0):
                self.note(name, values[name], source)
                return values[name]
        if default is not None:
            self.note(name, default, origin)
        return default


@dataclass(frozen=True)
class Network:
    """An empty network that fits a checkpoint.

    Attributes:
        backbone: on torch's meta device, or with weights that will all be replaced.
        architecture: its name for tables.
        size: native input in pixels.
    """

    backbone: Backbone
    architecture: str
    size: int = 224


def same_names(state: State) -> State:
    """The tensors as they are: a layout whose names are ours."""
    return dict(state)


@dataclass(frozen=True)
class FileForm:
    """How the files of one origin hold a network; for drawn ones of a rehearsal.

    Attributes:
        table: name of the mapping with the tensors; "" where the file is that mapping.
        prefix: before each name.
        beside: further names in the same mapping, such as a head's.
        container: what wrote the file: torch, pickle (of plain mappings), or npz in place of TensorFlow's own format.
        content: the whole mapping from tensors in the layout's names, where `table` and `prefix` are not enough.
    """

    table: str = ""
    prefix: str = ""
    beside: tuple[str, ...] = ()
    container: Literal["torch", "pickle", "npz"] = "torch"
    content: Callable[[State], Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class KeyLayout:
    """One way to name a network's tensors.

    Attributes:
        name: what the network is, in a few words.
        anchors: names that every table of this layout has, without prefix.
        translate: renames to our names and drops what is not the backbone.
        build: the empty network that the translated tensors fill.
        write: our names and axes to those of this layout.
    """

    name: str
    anchors: tuple[str, ...]
    translate: Callable[[StateDictConversion], None]
    build: Callable[[StateDictConversion, ModelFacts], Network]
    write: Callable[[State], State] = same_names


@dataclass(frozen=True)
class Family:
    """Checkpoints of one origin.

    Attributes:
        name: short, for records.
        title: for people.
        layouts: tried in this order.
        signs: patterns, each of which must be found in some stored name; none means that the layout is enough.
        order: families with a lower number are asked first; those that are recognized by less come later.
        branch: which network to take where a file holds several: "teacher" or "student".
        drops: (pattern, reason) for tensors beside the backbone, tried before the general rules.
        facts: what the tensors do not say: heads (a number, or a number by width), resize, norm_eps, ...
        preprocessing: what the weights expect.
        preprocessing_source: who says so; by default "by convention of TITLE".
        form: how files of this origin hold a network.
    """

    name: str
    title: str
    layouts: tuple[KeyLayout, ...]
    signs: tuple[str, ...] = ()
    order: int = 50
    branch: str = "teacher"
    drops: tuple[tuple[str, str], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    preprocessing_source: str = ""
    form: FileForm = field(default_factory=FileForm)

    def evidence(self, names: Iterable[str]) -> list[str] | None:
        """One stored name per sign, or None where a sign is absent."""
        stored = list(names)
        found = [next((name for name in stored if re.search(sign, name)), None) for sign in self.signs]
        return None if None in found else [name for name in found if name is not None]


@cache
def all_families() -> tuple[Family, ...]:
    """Every FAMILY of dinobench.models.families, of installed packages and of plug-ins, in the order of asking."""
    found = [plugin("models/families", name).FAMILY for name in plugin_names("models/families")]
    return tuple(sorted(found, key=lambda family: (family.order, family.name)))


def family_called(name: str) -> Family:
    """The built-in family of that name."""
    known = {family.name: family for family in all_families()}
    if name not in known:
        raise unknown("checkpoint family", name, known)
    return known[name]


def family_from_file(path: Path) -> Family:
    """The FAMILY that a user's Python file defines; the file is run, because the user named it.

    Raises:
        InputError: the file does not run, or defines no Family.
    """
    try:
        module = run_file(path)
    except InputError as error:
        raise InputError(f"family file {error}") from error
    family = getattr(module, "FAMILY", None)
    if not isinstance(family, Family):
        raise InputError(f"family file {path} defines no FAMILY of type dinobench.models.loading.family.Family")
    return family
