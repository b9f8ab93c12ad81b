"""A model as the rest of the house sees it once it is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

from dinobench.models.loading.choices import Choice
from dinobench.models.loading.key_report import LoadReport
from dinobench.models.loading.state_dict import digest
from dinobench.models.networks.backbone import Backbone, Preprocessing


@dataclass(frozen=True)
class LoadedBackbone:
    """A backbone in eval mode, on the CPU, in fp32, and what is known of it.

    Attributes:
        name: short, for tables and paths.
        spec: what the user asked for.
        family: whose weights they are.
        architecture: such as vit_small/16 or resnet50.
        preprocessing: what the weights expect.
        source: the file or the remote name.
        report: what became of every tensor, for checkpoint files.
        choices: what was chosen among several, assumed or left out, and on whose word.
        epoch: of the training that wrote the file, where it says so.
    """

    backbone: Backbone
    name: str
    spec: str
    family: str
    architecture: str
    preprocessing: Preprocessing
    source: str
    report: LoadReport | None = None
    choices: tuple[Choice, ...] = ()
    epoch: int | None = None
    identity_facts: Mapping[str, str] = field(default_factory=dict)
    file_sha256: str = ""

    @cached_property
    def sha256(self) -> str:
        """Of the tensors: names, shapes and bytes, whatever container they came in; of a program, of its file."""
        return self.file_sha256 or digest(self.backbone.state_dict())

    @cached_property
    def identity(self) -> str:
        """Of everything that the features depend on: the tensors, and what the tensors do not say (heads, ...)."""
        facts = [self.sha256, self.architecture, dict(self.identity_facts), asdict(self.preprocessing)]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    @cached_property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return sum(parameter.numel() for parameter in self.backbone.parameters())
