"""The packaged model cards, held against the published tables."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from dinobench.cards import ModelCard, load_models, load_tasks, packaged
from dinobench.models.loading.family import all_families
from dinobench.models.loading.settings import ModelSettings
from dinobench.models.networks.build import build_backbone
from dinobench.results.tables.published import read_published
from dinobench.results.tables.specs import load_tables
from dinobench.runtime.files import read_toml
from dinobench.runtime.plugins import settings_of
from dinobench.runtime.settings import resolve
from dinobench.training.recipe_files import load_recipe

SPECS = load_tables()

MODELS = load_models()
FAMILIES = {family.name for family in all_families()}
TABLES = ("2", "3", "4", "5", "6", "10", "figure4")


def matches(card: ModelCard, table: str) -> list[list[int]]:
    """For each row that the card names in `table`, the published lines that its key fits."""
    published = read_published(SPECS[table].path)
    wanted = [row.key.items() for row in card.rows if row.table == table]
    return [[index for index, line in enumerate(published) if key <= line.items()] for key in wanted]


@pytest.mark.parametrize("name", MODELS)
def test_every_row_of_a_card_is_exactly_one_published_row(name: str) -> None:
    card = MODELS[name]
    for table in {row.table for row in card.rows}:
        found = matches(card, table)
        assert all(len(lines) == 1 for lines in found), (table, found)
        assert len({lines[0] for lines in found}) == len(found), f"a row of table {table} twice"


@pytest.mark.parametrize("table", TABLES)
def test_every_published_system_has_exactly_one_card(table: str) -> None:
    owners: dict[int, list[str]] = {}
    for name, card in MODELS.items():
        for (index,) in matches(card, table):
            owners.setdefault(index, []).append(name)
    published = read_published(SPECS[table].path)
    assert {index: len(names) for index, names in owners.items()} == dict.fromkeys(range(len(published)), 1), owners


@pytest.mark.parametrize("name", MODELS)
def test_a_card_says_where_the_weights_are_or_why_not(name: str) -> None:
    card = MODELS[name]
    if card.random:
        assert card.weights == f"random:{card.architecture}"
    elif card.released:
        assert re.fullmatch(r"https?://\S+", card.weights)
    else:
        assert card.because
    assert card.license
    assert card.family in FAMILIES if card.family != "none" else card.because
    assert re.fullmatch(r"([0-9a-f]{8}|[0-9a-f]{64})?", card.sha256)


@pytest.mark.parametrize("name", [name for name, card in MODELS.items() if card.recipe])
def test_a_recipe_of_a_card_trains_its_network(name: str) -> None:
    card = MODELS[name]
    task, at, protocol = card.recipe.partition("@")
    if at:
        assert load_tasks()[task].protocol(protocol).settings.save_weights
        assert build_backbone(card.architecture)
    else:
        assert load_recipe(card.recipe).architecture == card.architecture


@pytest.mark.parametrize("name", MODELS)
def test_every_figure_is_a_number_with_its_source(name: str) -> None:
    for figure in MODELS[name].figures.values():
        assert isinstance(figure.value, int | float)
        assert figure.source


def test_no_two_cards_are_the_same_file() -> None:
    files = [card.weights for card in MODELS.values() if card.released and "/browser/" not in card.weights]
    assert len(files) == len(set(files))


def test_names_are_lower_case_words_that_a_shell_takes() -> None:
    assert all(re.fullmatch(r"[a-z0-9_]{1,32}", path.stem) for path in packaged("reference_models").glob("*.toml"))


@pytest.mark.parametrize(
    "line", read_published(packaged("results/published") / "released_checkpoints.csv"), ids=lambda line: line["name"]
)
def test_every_released_checkpoint_of_the_paper_has_its_card(line: dict[str, str]) -> None:
    card = MODELS[line["name"]]
    assert card.weights == f"https://dl.fbaipublicfiles.com/dino/{line['url_path']}"
    for column, figure in (("knn_top1", "imagenet_knn_top1"), ("linear_top1", "imagenet_linear_top1")):
        if figure in card.figures:
            assert card.figures[figure].value == float(line[column])


@pytest.mark.parametrize(
    ("prefix", "count"), [("dinov2_", 8), ("dinov3_", 12), ("ibot_", 9), ("msn_", 5), ("mae_", 3), ("mocov3_", 5)]
)
def test_the_later_methods_are_there_with_every_released_backbone(prefix: str, count: int) -> None:
    assert sum(name.startswith(prefix) for name in MODELS) >= count


FACTS = read_toml(Path(__file__).with_name("reference_model_facts.toml"))


@pytest.mark.parametrize("name", MODELS)
def test_a_card_sets_what_its_source_says_and_nothing_else(name: str) -> None:
    expected: dict[str, object] = {}
    for fact in FACTS["facts"]:
        if fnmatch(name, fact["cards"]):
            expected |= fact["settings"]
    assert MODELS[name].settings == expected
    resolve(ModelSettings, MODELS[name].settings, name)


@pytest.mark.parametrize("name", MODELS)
def test_a_card_says_how_its_source_measures(name: str) -> None:
    stated = [fact for fact in FACTS["released"] if name in fact["cards"]]
    assert len(stated) <= 1
    expected = {key: values for fact in stated for key, values in fact.items() if key not in ("cards", "source")}
    assert MODELS[name].released_settings == expected
    for part, values in expected.items():
        resolve(ModelSettings if part == "model" else settings_of(part), values, name)


@pytest.mark.parametrize("name", MODELS)
def test_a_card_has_the_figures_of_its_source_and_no_others(name: str) -> None:
    expected = {
        (fact["key"], fact["values"][name], fact["protocol"]) for fact in FACTS["figures"] if name in fact["values"]
    }
    card = MODELS[name]
    assert {(key, figure.value, figure.protocol) for key, figure in card.figures.items()} == expected
    if any(figure.protocol == "released" for figure in card.figures.values()):
        assert card.released_settings, "the protocol of its figures needs them"


def test_a_figure_has_one_key_everywhere() -> None:
    keys = {fact["key"] for fact in FACTS["figures"]}
    assert not {"imagenet_1pct_top1", "imagenet_10pct_top1"} & keys
