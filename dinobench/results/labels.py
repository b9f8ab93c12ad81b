"""Names for models in tables and lists: short, and different where the weights differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath

from dinobench.results.records import ModelInfo


def model_labels(models: Iterable[ModelInfo]) -> Mapping[str, str]:
    """A label for each network, by the sha256 of its tensors.

    The label is the model's name. Where other weights go by the same name, the shortest end of the file's path that
    tells them apart stands before it; where paths do not tell, the first digits of the sha256 stand behind it.
    """
    by_name: dict[str, dict[str, ModelInfo]] = {}
    for model in models:
        by_name.setdefault(model.name, {}).setdefault(model.sha256, model)
    labels: dict[str, str] = {}
    for name, found in by_name.items():
        labels |= _told_apart(name, found) if len(found) > 1 else dict.fromkeys(found, name)
    return labels


def _told_apart(name: str, models: Mapping[str, ModelInfo]) -> dict[str, str]:
    parents = {sha256: PurePath(model.source or model.spec).parts[:-1] for sha256, model in models.items()}
    for length in range(1, max(map(len, parents.values()), default=0) + 1):
        ends = {sha256: "/".join(parts[-length:]) for sha256, parts in parents.items()}
        if len(set(ends.values())) == len(ends) and all(ends.values()):
            return {sha256: f"{end}/{name}" for sha256, end in ends.items()}
    return {sha256: f"{name} {sha256[:8]}" for sha256 in models}
