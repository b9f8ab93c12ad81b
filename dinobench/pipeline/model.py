"""The one door from what a user calls a model to a loaded network."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dinobench.cards import ModelCard, load_models
from dinobench.pipeline.weights import CardMatch, check_digest, local_weights, misnamed, recognize
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path
from dinobench.runtime.suggest import did_you_mean, unknown

if TYPE_CHECKING:
    from torch import nn

    from dinobench.models.loading.loaded import LoadedBackbone
    from dinobench.models.networks.backbone import Preprocessing
    from dinobench.pipeline.read_transform import Transform
    from dinobench.pipeline.vision_model import VisionModel

NO_CARD = "none"
REHEARSED = "rehearsal_"
"""Before the name of a model whose weights are drawn for a rehearsal."""
REHEARSAL = "rehearsal: drawn weights, and a few drawn images"
Model: TypeAlias = "str | Path | VisionModel | nn.Module"
"""What a model may be given as: a SPEC, what `load_backbone` returned, or a module of the user's own."""


@dataclass(frozen=True)
class ModelRequest:
    """What a user asks for.

    Attributes:
        spec: Model SPEC: a card, a file, a run directory, `timm:NAME`, `hf:NAME`, `torchvision:NAME`, `random:ARCH` or
            `pixels`.
        settings: changes to the model's settings.
        card: the published model that a file is; "none" for no card; "" to recognize it.
        name: in tables and records, "" for the file's or the card's.
        models_dir: folder with further cards.
        as_released: whether images are prepared as the card says that the source of the weights does.
        stands_for: the card whose weights drawn ones stand for, in a rehearsal; "" outside.
    """

    spec: str
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    card: str = ""
    name: str = ""
    models_dir: Path | None = None
    as_released: bool = False
    stands_for: str = ""

    def settings_with(self, card: ModelCard) -> dict[str, Any]:
        """The card's settings of the model, below the user's."""
        released = card.released_settings.get("model", {}) if self.as_released else {}
        return {**card.settings, **released, **self.settings}


@dataclass(frozen=True)
class ResolvedModel:
    """A loaded network and the published model that it is.

    Attributes:
        notes: how it was recognized, one line each, for output and record.
        unverified: why its figure must not stand beside a published one; empty where nothing speaks against it.
        rehearsal: whether the weights are drawn and stand for the card's.
    """

    backbone: LoadedBackbone
    card: ModelCard | None = None
    notes: tuple[str, ...] = ()
    unverified: str = ""
    rehearsal: bool = False


def load_backbone(
    spec: str | Path,
    *,
    settings: Mapping[str, Any] | None = None,
    card: str = "",
    name: str = "",
    models_dir: Path | str | None = None,
) -> VisionModel:
    """Load what a model SPEC names: a card, a file, a run directory or a library's network.

    Args:
        spec: as `--model` of `dinobench eval`.
        settings: of the model, as `--set` takes them, such as {"image_size": 448, "weights": "student"}.
        card: the published model that a file is; "none" for no card; by default it is recognized.
        name: in tables and records; by default the file's or the card's.
        models_dir: folder with further model cards.

    Raises:
        InputError: nothing there, weights that are not the card's, or a checkpoint that does not fit.
    """
    from dinobench.pipeline.vision_model import VisionModel

    folder = user_path(str(models_dir)) if models_dir is not None else None
    return VisionModel(resolve_model(ModelRequest(str(spec), settings or {}, card, name, folder)))


def wrap_module(
    module: nn.Module, transform: Transform | Preprocessing | None = None, *, name: str = ""
) -> VisionModel:
    """A module of your own program as a model; see `dinobench.pipeline.given_module.from_module`.

    Its figures are never comparable with published ones: nobody can tell whose weights they are.
    """
    from dinobench.pipeline.given_module import GIVEN, from_module
    from dinobench.pipeline.vision_model import VisionModel

    loaded = from_module(module, transform, name)
    return VisionModel(ResolvedModel(loaded, notes=tuple(map(str, loaded.choices)), unverified=f"the model is {GIVEN}"))


def held_model(
    model: object, transform: Transform | Preprocessing | None, name: str, card: str
) -> ResolvedModel | None:
    """The model where it is an object of the program's own, not a SPEC.

    Raises:
        InputError: an object that is not a model; a transform or card with what needs none.
    """
    if model is None or isinstance(model, str | Path):
        if transform is not None:
            raise InputError("transform belongs to an nn.Module; a model by its name brings its own")
        return None
    from torch import nn

    from dinobench.pipeline.vision_model import VisionModel

    if card:
        raise InputError(
            "card names the published model that a file is; give it to load_backbone together with the file"
        )
    if isinstance(model, nn.Module):
        return wrap_module(model, transform, name=name).resolved
    if not isinstance(model, VisionModel) or transform is not None:
        raise InputError(f"a {type(model).__name__} is not a model, or has its transform; give a SPEC, or an nn.Module")
    if not name:
        return model.resolved
    return dataclasses.replace(model.resolved, backbone=dataclasses.replace(model.loaded, name=name))


def resolve_model(request: ModelRequest) -> ResolvedModel:
    """Load the model of a request.

    Raises:
        InputError: as `load_backbone`; or a card that is not known.
    """
    cards = load_models(request.models_dir)
    refuse_missing_model(request, cards)
    if request.stands_for:
        resolved = _from_drawn(request, cards)
    else:
        resolved = _from_card(request, cards) if request.spec in cards else _from_spec(request, cards)
    choices = tuple(str(choice) for choice in resolved.backbone.choices)
    resolved = dataclasses.replace(resolved, notes=(*resolved.notes, *choices))
    if request.name:
        resolved = dataclasses.replace(resolved, backbone=dataclasses.replace(resolved.backbone, name=request.name))
    return resolved


def refuse_missing_model(request: ModelRequest, cards: Mapping[str, ModelCard]) -> None:
    """Say before anything is loaded that a card's weights or a file are not there, or are others.

    Raises:
        InputError: what is missing, which name was probably meant, how to get the weights, or another file's digest.
    """
    from dinobench.models.loading.model_paths import checkpoint_path, is_path, refuse_unknown_network
    from dinobench.models.loading.settings import ModelSettings, refuse_idle
    from dinobench.runtime.settings import known_changes, resolve

    if request.card not in ("", NO_CARD, *cards):
        raise unknown("card", request.card, {*cards, NO_CARD})
    card = cards.get(request.spec)
    if card is not None:
        if not card.random:
            _match_of_card(card, card_file(card, request))
        return
    hint = did_you_mean(request.spec, cards)
    if hint and not {":", "/"} & set(request.spec) and not Path(request.spec).exists():
        raise InputError(f"no model {request.spec!r}: no such file, run directory or card; {hint}")
    if is_path(request.spec):
        path = checkpoint_path(request.spec, str(request.settings.get("which", "last")))
        if request.card in cards:
            check_digest(cards[request.card], path)
    refuse_unknown_network(request.spec)
    refuse_idle(request.spec, resolve(ModelSettings, known_changes(ModelSettings, request.settings), "the model"))


def _from_card(request: ModelRequest, cards: Mapping[str, ModelCard]) -> ResolvedModel:
    card = cards[request.spec]
    notes = (card.note,) if card.note else ()
    if card.random:
        return ResolvedModel(_load_with_card(card.weights, card, request), card, notes, card.note)
    path = card_file(card, request)
    match = _match_of_card(card, path)
    loaded = _load_with_card(str(path), card, request)
    loaded = dataclasses.replace(loaded, name=card.name, spec=card.name)
    return ResolvedModel(loaded, card, (*notes, match.note), match.unverified or card.note)


def _match_of_card(card: ModelCard, path: Path) -> CardMatch:
    """How the file of a card is known; InputError where it is another."""
    own = card.local and not card.sha256
    return CardMatch(card, f"weights of your card {card.file}") if own else check_digest(card, path)


def _from_drawn(request: ModelRequest, cards: Mapping[str, ModelCard]) -> ResolvedModel:
    """Weights that were drawn, as if they were the card's: with its settings, and never comparable."""
    card = cards[request.stands_for]
    loaded = _load_with_card(request.spec, card, request)
    return ResolvedModel(loaded, card, unverified=REHEARSAL, rehearsal=True)


def _from_spec(request: ModelRequest, cards: Mapping[str, ModelCard]) -> ResolvedModel:
    match = _match_of_file(request, cards)
    if match is None:
        loaded = _load_spec(request.spec, request.settings)
        remark = "" if request.card == NO_CARD else misnamed(user_path(request.spec), cards.values())
        return ResolvedModel(loaded, _card_of_random(loaded, cards.values()), (remark,) if remark else ())
    loaded = _load_with_card(request.spec, match.card, request)
    if not match.certain and loaded.architecture != match.card.architecture:
        return ResolvedModel(_load_spec(request.spec, request.settings))
    notes = tuple(note for note in (match.card.note, match.note) if note)
    named = dataclasses.replace(loaded, name=match.card.name)
    return ResolvedModel(named, match.card, notes, match.unverified or match.card.note)


def _match_of_file(request: ModelRequest, cards: Mapping[str, ModelCard]) -> CardMatch | None:
    """The card of a file: named by the user, else recognized; None for a run, a library's network or no card."""
    path = user_path(request.spec)
    if request.card == NO_CARD or not path.is_file():
        return None
    if request.card:
        found = check_digest(cards[request.card], path)
        return dataclasses.replace(found, note=f"card {request.card} named by you; {found.note}")
    return recognize(path, cards.values())


def card_file(card: ModelCard, request: ModelRequest) -> Path:
    """The file of a card's weights; InputError where it is not here."""
    from dinobench.models.loading.download import cached_weights

    trusted = request.models_dir is not None and Path(card.file).parent.resolve() == request.models_dir.resolve()
    if (local := local_weights(card, trusted)) is not None:
        return local
    if not card.released:
        raise InputError(f"the weights of {card.name} are not released: {card.because}")
    path = cached_weights(card.name, card.weights)
    if path is None:
        raise InputError(f"the weights of {card.name} are not here; run `dinobench models fetch {card.name}` first")
    return path


def _card_of_random(loaded: LoadedBackbone, cards: Iterable[ModelCard]) -> ModelCard | None:
    """The card of random weights in the architecture of a `random:` model; one with settings is meant by name alone."""
    drawn = (card for card in cards if card.random and not card.settings and card.architecture == loaded.architecture)
    return next(drawn, None) if loaded.family == "random" else None


def _load_with_card(spec: str, card: ModelCard, request: ModelRequest) -> LoadedBackbone:
    """The network with the card's settings, whose choices name the card where the user did not decide."""
    settings = request.settings_with(card)
    loaded = _load_spec(spec, settings)
    of_card = settings.keys() - request.settings.keys()
    choices = [
        dataclasses.replace(choice, source=f"card {card.name}") if choice.what in of_card else choice
        for choice in loaded.choices
    ]
    return dataclasses.replace(loaded, choices=tuple(choices))


def _load_spec(spec: str, settings: Mapping[str, Any]) -> LoadedBackbone:
    from dinobench.models.loading.spec import load_backbone

    return load_backbone(spec, settings=settings)
