import dataclasses
from pathlib import Path

import pytest
from PIL import Image

from dinobench.results.figures.curves import draw_curves, read_log, series
from dinobench.results.records import RecordStore, RunRecord
from dinobench.results.report import write_report
from dinobench.results.report_figures import baselines
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


def test_runs_share_a_picture_and_each_is_drawn_for_light_and_dark(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    for name in ("one", "other"):
        write_run(tmp_path / name)
        (tmp_path / name / "mine").rename(tmp_path / "runs" / name)
    page = write_report(tmp_path / "none", tmp_path / "report", tmp_path / "runs").read_text()
    assert {"All runs", "one", "other"} <= {part.split('"')[0] for part in page.split('alt="')[1:]}
    assert (tmp_path / "report" / "curves" / "all-runs.dark.svg").stat().st_size > 0


def test_a_folder_of_other_files_is_refused_and_a_report_is_written_again(tmp_path: Path) -> None:
    RecordStore(tmp_path / "records").add(make_record())
    other = tmp_path / "other"
    other.mkdir()
    (other / "index.html").write_text("mine")
    with pytest.raises(InputError, match="holds files already"):
        write_report(tmp_path / "records", other, tmp_path / "runs")
    assert (other / "index.html").read_text() == "mine"
    assert len(list(other.iterdir())) == 1
    for _ in range(2):
        write_report(tmp_path / "records", tmp_path / "report", tmp_path / "runs")


def write_answers(results: Path, name: str, wrong: int, **changes: object) -> None:
    """A k-NN record with the answers to 40 images of two classes, the first `wrong` of them wrong."""
    file = results / "files" / name / "predictions.csv"
    file.parent.mkdir(parents=True)
    labels = ["cat" if number % 2 else "dog" for number in range(40)]
    said = [("dog" if label == "cat" else "cat") if n < wrong else label for n, label in enumerate(labels)]
    lines = [f"{n}.jpg,{a},{b},{int(a == b)}\n" for n, (a, b) in enumerate(zip(labels, said, strict=True))]
    file.write_text("image,label,predicted,value\n" + "".join(lines))
    model = {"name": name, "sha256": name * 8}
    metrics = {"top1": 100 * (40 - wrong) / 40}
    RecordStore(results).add(
        make_record(model=model, metrics=metrics, files=(f"files/{name}/predictions.csv",), **changes)
    )


def test_models_of_one_board_are_compared_with_the_best(tmp_path: Path) -> None:
    for name, wrong in (("good", 1), ("fair", 3), ("poor", 30)):
        write_answers(tmp_path / "records", name, wrong)
    page = write_report(tmp_path / "records", tmp_path / "report", tmp_path / "runs").read_text()
    assert "knn@paper on imagenet: good less the others" in page
    rows = [part.split("</tr>")[0] for part in page.split("<td>less ")[1:]]
    assert "fair" in rows[0] and "no difference beyond chance" in rows[0]
    assert "poor" in rows[1] and "A and B differ" in rows[1] and "+72.50" in rows[1]


def test_a_classifiers_page_has_its_classes_and_what_it_confuses(tmp_path: Path) -> None:
    write_answers(tmp_path / "records", "good", 3)
    page = write_report(tmp_path / "records", tmp_path / "report", tmp_path / "runs").read_text()
    (address,) = [part.split('"')[0] for part in page.split('href="')[1:] if part.startswith("records/")]
    text = (tmp_path / "report" / address).read_text()
    assert '<td>dog</td><td class="figure">20</td><td class="figure">90.0</td>' in text
    assert '<td>dog</td><td>cat</td><td class="figure">2</td>' in text


def test_a_model_has_a_page_with_its_place_on_every_board(tmp_path: Path) -> None:
    write_answers(tmp_path / "records", "good", 1)
    write_answers(tmp_path / "records", "poor", 30)
    write_report(tmp_path / "records", tmp_path / "report", tmp_path / "runs")
    (page,) = (tmp_path / "report" / "models").glob("poor*")
    assert "2 of 2" in page.read_text()


def test_speed_is_drawn_where_two_models_were_measured_on_one_device(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "records")
    for name, value in (("a", 50.0), ("b", 60.0)):
        model = {"name": name, "sha256": name * 64}
        store.add(make_record(model=model, metrics={"top1": value}))
        throughput = {"images_per_second": 10 * value}
        store.add(make_record(model=model, task="throughput", main_metric="images_per_second", metrics=throughput))
    page = write_report(tmp_path / "records", tmp_path / "report", tmp_path / "runs").read_text()
    assert "knn@paper on imagenet, against images per second on cpu" in page


def test_a_large_picture_is_small_on_the_page_and_whole_behind_it(tmp_path: Path) -> None:
    results, output = tmp_path / "records", tmp_path / "report"
    RecordStore(results).add(make_record(files=("mask.png",)))
    Image.new("RGB", (1000, 500)).save(results / "mask.png")
    page = write_report(results, output, tmp_path / "runs").read_text()
    (small,) = output.glob("pictures/*/mask.small.png")
    with Image.open(small) as image:
        assert image.size == (480, 240)
    assert f'src="{small.relative_to(output).as_posix()}"' in page
