"""Cards: benchmarks (tasks/*.toml) and published models (reference_models/*.toml) as frozen, validated dataclasses.

A card is data: a new benchmark on a known layout, or a new model of a known family, is one TOML file. Cards come from
the package, then from ./tasks and ./reference_models of the working directory, then from --tasks-dir and --models-dir;
a later card of the same name replaces an earlier one.
"""

from dinobench.cards.card_files import packaged
from dinobench.cards.model_cards import Figure, ModelCard, Row, load_models
from dinobench.cards.task_cards import Cell, Protocol, TaskCard, load_tasks

__all__ = ["Cell", "Figure", "ModelCard", "Protocol", "Row", "TaskCard", "load_models", "load_tasks", "packaged"]
