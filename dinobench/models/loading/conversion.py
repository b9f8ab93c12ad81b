"""A table of tensors on its way to our names, which remembers what became of each."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence

import torch
from torch import Tensor

from dinobench.models.loading.state_dict import State
from dinobench.runtime.errors import InputError


class StateDictConversion:
    """Tensors under their present names, with the stored name of each and everything that was done to them.

    Attributes:
        tensors: by present name.
        sources: stored names that each present tensor came from.
        dropped: reason by stored name.
        changed: what was done to the values, by present name.
        found: what the stored shapes say of the network that the final ones no longer do.
    """

    def __init__(self, state: Mapping[str, Tensor], prefix: str = "") -> None:
        self.tensors: State = dict(state)
        self.sources: dict[str, tuple[str, ...]] = {name: (prefix + name,) for name in state}
        self.dropped: dict[str, str] = {}
        self.changed: dict[str, str] = {}
        self.found: dict[str, int] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def matching(self, pattern: str) -> list[str]:
        """Present names that begin with `pattern`."""
        return [name for name in self.tensors if re.match(pattern, name)]

    def drop(self, pattern: str, reason: str) -> None:
        """Leave out every tensor whose name begins with `pattern`."""
        for name in self.matching(pattern):
            del self.tensors[name]
            self.dropped.update(dict.fromkeys(self.sources.pop(name), reason))

    def keep(self, names: Container[str]) -> None:
        """Forget every tensor but those of `names`."""
        self.tensors = {name: tensor for name, tensor in self.tensors.items() if name in names}

    def count(self, pattern: str) -> int:
        """How many blocks are numbered right after `pattern`, the greatest number plus one.

        Raises:
            InputError: a number beyond the file's tensors: blocks that cannot be there.
        """
        found = (re.match(rf"(?:{pattern})(\d+)\.", name) for name in self.tensors)
        number = max((int(match[1]) for match in found if match), default=-1) + 1
        if number > len(self.tensors):
            raise InputError(
                f"a block has the number {number - 1} among {len(self.tensors)} tensors; blocks are missing"
            )
        return number

    def rename(self, pattern: str, replacement: str) -> None:
        """Substitute in every name, like `re.sub`; order is kept."""
        names = {name: re.sub(pattern, replacement, name) for name in self.tensors}
        self.tensors = {names[name]: tensor for name, tensor in self.tensors.items()}
        self.sources = {names[name]: source for name, source in self.sources.items()}

    def change(self, name: str, tensor: Tensor, how: str) -> None:
        """Put other values under a name that is there."""
        self.tensors[name] = tensor
        self.changed[name] = f"{self.changed[name]}, {how}" if name in self.changed else how

    def add(self, name: str, tensor: Tensor, how: str) -> None:
        """A tensor that the file does not store but that follows from the family."""
        self.tensors[name] = tensor
        self.sources[name] = ()
        self.changed[name] = how

    def split(self, name: str, parts: Sequence[str]) -> None:
        """Cut a tensor into equal pieces along its first axis."""
        sources = self.sources.pop(name)
        for part, piece in zip(parts, self.tensors.pop(name).chunk(len(parts)), strict=True):
            self.sources[part] = sources
            self.change(part, piece, f"one of {len(parts)} pieces")

    def join(self, parts: Sequence[str], name: str, how: str = "joined") -> None:
        """Concatenate the tensors `parts` along their first axis under one name; nothing if one is absent."""
        if all(part in self.tensors for part in parts):
            sources = tuple(source for part in parts for source in self.sources.pop(part))
            joined = torch.cat([self.tensors.pop(part) for part in parts])
            self.sources[name] = sources
            self.change(name, joined, f"{how} from {len(parts)} tensors")
