from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinobench.cards import ModelCard, Row, load_models, load_tasks, packaged
from dinobench.results.records import RunRecord
from dinobench.results.tables.build import MISSING, Table, build_table, format_figure
from dinobench.results.tables.footnotes import Footnotes
from dinobench.results.tables.published import read_published
from dinobench.results.tables.specs import load_tables
from tests.results.factory import make_record

TABLES = load_tables()

CARD = ModelCard(
    name="dino_vits16",
    title="",
    method="DINO",
    architecture="vit_small/16",
    family="dino",
    source="",
    license="",
    weights="not released",
    rows=(Row("2", {"method": "DINO", "arch": "ViT-S/16"}),),
)


def table2(*records: RunRecord) -> Table:
    spec = TABLES["2"]
    published = read_published(spec.path)
    return build_table(spec, published, records, load_tasks(), {CARD.name: CARD})


def row(table: Table, *start: str) -> dict[str, str]:
    rows = [cells for _, section in table.sections for cells in section if cells[: len(start)] == start]
    assert len(rows) == 1, rows
    names, figure = [], ""
    for heading in table.headings:
        figure = figure if heading in ("ours", "Δ") else heading
        names.append(figure if figure == heading else f"{figure} {heading}")
    return dict(zip(names, rows[0], strict=True))


def test_a_comparable_record_stands_beside_its_published_row() -> None:
    cells = row(table2(make_record()), "DINO", "ViT-S/16")
    assert (cells["k-NN"], cells["k-NN ours"], cells["k-NN Δ"]) == ("74.5", "74.5", "0.0")


def test_the_difference_is_that_of_the_printed_figures() -> None:
    cells = row(table2(make_record(metrics={"top1": 74.349})), "DINO", "ViT-S/16")
    assert (cells["k-NN ours"], cells["k-NN Δ"]) == ("74.3", "−0.2")


def test_an_incomparable_record_gets_a_row_of_its_own_with_the_reason() -> None:
    table = table2(make_record(comparable=False, because=("400 val images",), intervals={"top1": (70.0, 78.0)}))
    assert row(table, "DINO", "ViT-S/16")["k-NN ours"] == MISSING
    assert row(table, "dino_vits16 [b]")["k-NN ours"] == "74.5 (70.0 to 78.0)"
    assert any("400 val images" in note for note in table.notes)


def test_no_figure_of_ours_hides_another() -> None:
    data = {"spec": "else/imagenet", "splits": {"val": {"sha256": "ef" * 32, "images": 9, "classes": 2}}}
    plain, seeded = make_record(), make_record(deviations={"seed": 3}, metrics={"top1": 70.0})
    assert row(table2(plain, seeded), "DINO", "ViT-S/16")["k-NN ours"] == "74.5"
    assert row(table2(seeded, plain), "DINO", "ViT-S/16")["k-NN ours"] == "74.5"
    trial = make_record(comparable=False, deviations={"shots": 5}, because=("shots = 5",))
    table = table2(make_record(comparable=False), trial, make_record(comparable=False, data=data))
    assert len(table.sections[-1][1]) == 3
    assert len({note for note in table.notes if "imagenet " in note or "shots" in note}) == 3  # told by their digests


def test_records_of_two_protocols_never_share_a_row() -> None:
    other = make_record(comparable=False, protocol={"name": "other", "version": 1, "hash": ""})
    table = table2(make_record(comparable=False), other)
    assert len(table.sections[-1][1]) == 2


@pytest.mark.parametrize(
    ("task", "classifier", "column", "published"),
    [
        ("knn", "k-NN", "ImageNet", "74.5"),
        ("knn-1pct", "k-NN", "ImageNet 1%", "61.3"),
        ("logistic", "Logistic", "ImageNet", "75.7"),
        ("logistic-10pct", "Logistic", "ImageNet 10%", "72.2"),
    ],
)
def test_a_model_with_several_rows_fills_the_tasks_own(task: str, classifier: str, column: str, published: str) -> None:
    spec, model = TABLES["10"], "dino_vits16"
    figures = read_published(spec.path)
    records = [make_record(task=task), make_record(task=task, comparable=False)]
    table = build_table(spec, figures, records, load_tasks(), {model: load_models()[model]})
    cells = row(table, "k-NN [a]" if classifier == "k-NN" else classifier, "DINO", "ViT-S/16")
    assert (cells[column], cells[f"{column} ours"]) == (published, "74.5")
    _, ours = table.sections[-1]
    assert [cells[0] for cells in ours] == [classifier]  # the record that is not comparable


def test_half_a_million_parameters_are_not_none() -> None:
    small = make_record(task="throughput", comparable=False, metrics={"parameters_m": 0.46, "images_per_second": 505.2})
    _, ours = table2(small).sections[-1]
    assert {"0.5", "505.2"} <= set(ours[0])


def test_a_failed_record_fills_nothing() -> None:
    assert table2(make_record(error="disk full")) == table2()


@pytest.mark.parametrize("name", TABLES)
def test_every_published_row_and_figure_is_printed(name: str) -> None:
    spec = TABLES[name]
    published = read_published(spec.path)
    table = build_table(spec, published, [], load_tasks(), {})
    rows = [cells for _, section in table.sections for cells in section]
    assert len(rows) == len(published)
    for values, cells in zip(published, rows, strict=True):
        figures = [cells[table.headings.index(figure.heading)] for figure in spec.figures]
        assert [float(text) for text in figures if text != MISSING] == [
            float(values[figure.name]) for figure in spec.figures if values[figure.name]
        ]


def test_published_copies_equal_their_source() -> None:
    source = Path(__file__).parents[4] / "shared" / "published"
    if not source.is_dir():
        pytest.skip(f"no published figures at {source}")
    for path in source.glob("table*.csv"):
        assert (packaged("results/published") / path.name).read_text() == path.read_text()


@given(st.floats(-1000, 1000), st.integers(0, 3))
def test_a_printed_figure_reads_back(value: float, decimals: int) -> None:
    text = format_figure(value, decimals, signed=True)
    assert abs(float(text.replace("−", "-")) - value) <= 0.5 * 10**-decimals + 1e-9
    assert not text.endswith("-0.0")


def test_footnotes_are_marked_once_and_past_z() -> None:
    notes = Footnotes()
    marks = [notes.mark(f"note {number}") for number in range(800)]
    assert (marks[0], marks[26], marks[701], marks[702]) == ("[a]", "[aa]", "[zz]", "[aaa]")
    assert len(set(marks)) == 800
    assert notes.mark("note 3") == marks[3]
    assert len(notes.lines()) == 800


def test_a_fine_tuned_figure_says_which_epoch_it_is_of() -> None:
    metrics = {"top1": 98.5, "best_top1": 99.0, "best_epoch": 812.0}
    card = replace(CARD, rows=(Row("6", {"method": "DINO", "arch": "ViT-S/16"}),))
    record = make_record(task="finetune-cifar10", metrics=metrics)
    spec = TABLES["6"]
    table = build_table(spec, read_published(spec.path), [record], load_tasks(), {card.name: card})
    assert any("after the last epoch; 99.0 at the best, epoch 812" in note for note in table.notes)


def test_supervised_rows_of_table_2_are_remarked_on() -> None:
    assert table2().notes[-1].startswith("Supervised rows: k-NN equals linear")


def with_verdicts(*records: RunRecord, rehearsal: bool = False) -> Table:
    spec = TABLES["2"]
    cards = {**load_models(), CARD.name: CARD}
    published = read_published(spec.path)
    return build_table(spec, published, records, load_tasks(), cards, verdicts=True, rehearsal=rehearsal)


def verdict_of(table: Table, *start: str) -> str:
    (cells,) = [cells for _, section in table.sections for cells in section if cells[: len(start)] == start]
    return cells[table.headings.index("verdict")]


def test_a_verdict_stands_behind_each_figure() -> None:
    within = make_record(metrics={"top1": 74.1}, intervals={"top1": (73.0, 75.0)})
    assert verdict_of(with_verdicts(make_record()), "DINO", "ViT-S/16") == "74.5 equals the published figure"
    assert "the 95% interval holds the published 74.5" in verdict_of(with_verdicts(within), "DINO", "ViT-S/16")
    far = with_verdicts(make_record(metrics={"top1": 70.0}))
    assert verdict_of(far, "DINO", "ViT-S/16") == "70.0 differs by -4.5 from the published 74.5"
    other = with_verdicts(make_record(comparable=False, because=("400 val images",)))
    assert verdict_of(other, "dino_vits16 [b]", "vit_small/16") == "not comparable: 400 val images"


def test_the_verdict_on_a_row_without_weights_names_its_recipe() -> None:
    table = with_verdicts(make_record())
    (cells,) = [cells for _, section in table.sections for cells in section if cells[0].startswith("SwAV [")]
    assert cells[table.headings.index("verdict")] == "no weights: recipe table7-row9 trains them"


def test_a_record_of_a_rehearsal_stands_in_no_table_but_a_rehearsals() -> None:
    rehearsed = make_record(rehearsal=True)
    real = table2(rehearsed)
    assert "ours" not in real.headings
    assert table2(rehearsed, make_record()) == table2(make_record())
    table = with_verdicts(rehearsed, make_record(), rehearsal=True)
    assert "rehearsal" in table.title
    assert "drawn weights" in table.caption
    assert not {"ours", "Δ", "verdict"} & set(table.headings)
    (cells,) = [cells for _, section in table.sections for cells in section if cells[:2] == ("DINO", "ViT-S/16")]
    assert cells[table.headings.index("rehearsed")] == "yes"


def test_two_records_that_claim_one_cell_are_said_and_the_newest_stands() -> None:
    older = make_record(metrics={"top1": 70.0}, date="2026-01-01", data={"spec": "a", "splits": {}})
    newer = make_record(date="2026-01-02")
    for records in ((older, newer), (newer, older)):
        table = table2(*records)
        assert row(table, "DINO", "ViT-S/16")["k-NN ours"].startswith("74.5 [")
        assert any("the newest of 2 records that claim this cell" in note for note in table.notes)


def test_a_figure_by_another_protocol_does_not_stand_in_the_row() -> None:
    table = table2(make_record(protocol={"name": "released", "version": 1, "hash": "1" * 16}))
    assert row(table, "DINO", "ViT-S/16")["k-NN ours"] == MISSING
