import dataclasses
from pathlib import Path

import pytest
from PIL import Image

from dinobench.results.figures.curves import draw_curves, read_log, series
from dinobench.results.records import RecordStore, RunRecord
from dinobench.results.report import baselines, write_report
from dinobench.runtime.errors import InputError
from tests.results.factory import make_record

LOG = '{"epoch": 1.0, "loss": 5.0, "knn": 20.0}\n{"epoch": 2.0, "loss": 4.0}\n'


def write_run(runs: Path, text: str = LOG) -> None:
    (runs / "mine").mkdir(parents=True)
    (runs / "mine" / "log.jsonl").write_text(text)


def test_the_page_shows_tables_records_curves_and_pictures(tmp_path: Path) -> None:
    results, runs, output = tmp_path / "records", tmp_path / "runs", tmp_path / "report"
    RecordStore(results).add(make_record(files=("mask.png",)))
    RecordStore(results).add(make_record(task="linear", error="<boom>"))
    Image.new("RGB", (4, 4)).save(results / "mask.png")
    write_run(runs)
    page = write_report(results, output, runs).read_text()
    assert "Table 2." in page
    assert "&lt;boom&gt;" in page
    sources = [part.split('"')[0] for part in page.split('<img src="')[1:]]
    assert len(sources) == 2
    assert all((output / source).stat().st_size > 0 for source in sources)


def test_a_run_is_drawn_beside_the_baselines_on_its_data(tmp_path: Path) -> None:
    def knn(name: str, spec: str, family: str, data: str) -> RunRecord:
        model = dataclasses.replace(make_record().model, name=name, spec=spec, family=family)
        return make_record(model=model, data={"spec": data})

    run = tmp_path / "runs" / "mine"
    records = [
        knn("mine", str(run), "dinobench", "mini"),
        knn("pixels", "pixels", "pixels", "mini"),
        knn("random", "random:vit_mini/4", "random", "digits"),
    ]
    assert baselines(records, run) == {"pixels": 74.46}


def test_nothing_to_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to report"):
        write_report(tmp_path / "a", tmp_path / "b", tmp_path / "c")
    assert not (tmp_path / "b").exists()


def test_a_log_cut_off_by_a_kill_is_read_up_to_the_cut(tmp_path: Path) -> None:
    write_run(tmp_path, LOG + '{"epoch": 3.0, "lo')
    log = read_log(tmp_path / "mine" / "log.jsonl")
    assert series(log, "loss") == ([1.0, 2.0], [5.0, 4.0])
    assert series(log, "knn") == ([1.0], [20.0])


def test_a_broken_log_is_named_with_its_line(tmp_path: Path) -> None:
    write_run(tmp_path, "oops\n" + LOG)
    with pytest.raises(InputError, match="line 1"):
        read_log(tmp_path / "mine" / "log.jsonl")


def test_a_log_line_without_names_is_named(tmp_path: Path) -> None:
    write_run(tmp_path, "5\n" + LOG)
    with pytest.raises(InputError, match="line 1, holds no named values"):
        read_log(tmp_path / "mine" / "log.jsonl")


def test_a_log_with_nothing_to_draw_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="anything to draw"):
        draw_curves({"x": [{"epoch": 1}]}, tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_figures_of_different_protocols_never_share_a_board(tmp_path: Path) -> None:
    results, output = tmp_path / "records", tmp_path / "report"
    store = RecordStore(results)
    store.add(make_record())
    store.add(make_record(model={"name": "<b>mine</b>", "sha256": "ef" * 32}, metrics={"top1": 50.0}))
    store.add(make_record(protocol={"name": "other", "version": 1, "hash": "1" * 16}))
    page = write_report(results, output, tmp_path / "runs").read_text()
    assert page.count('<section class="board"') == 2
    assert 'data-value="74.46"' in page
    assert "74.5" in page
    assert "<b>mine</b>" not in page
    assert "http" not in page.split("<main>")[0]


def test_every_record_has_a_page_with_its_settings(tmp_path: Path) -> None:
    results, output = tmp_path / "records", tmp_path / "report"
    RecordStore(results).add(make_record(settings={"main_k": 20}, warnings=("8 images are in both",)))
    page = write_report(results, output, tmp_path / "runs").read_text()
    (address,) = [part.split('"')[0] for part in page.split('href="')[1:] if part.startswith("records/")]
    text = (output / address).read_text()
    assert "<dt>main_k</dt><dd>20</dd>" in text
    assert "8 images are in both" in text
    assert 'href="../index.html"' in text
