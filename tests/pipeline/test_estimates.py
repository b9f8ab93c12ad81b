"""Estimates: measured once, kept, added up, and never in the way of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from dinobench.cards import load_models
from dinobench.cli.cost_lines import cost_line, size
from dinobench.cli.main import main
from dinobench.pipeline import ModelRequest, load_backbone, make_plan
from dinobench.pipeline.estimates import Estimate, announce, estimate_jobs, magnitude, probe, total_of
from dinobench.pipeline.estimates.data_facts import look_at
from dinobench.pipeline.estimates.estimate import StageTime, estimate_of
from dinobench.pipeline.estimates.measured import Measured, WorkTime, kept_in, load_measured, save_measured

MODEL = "random:vit_mini/8"
SMALL = {"image_size": 16, "device": "cpu"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("dinobench.pipeline.estimates.probe.SECONDS", 0.2)


class HereInstead:
    """In place of a pool of processes: the call, in this one."""

    calls = 0

    def __init__(self, *arguments: object, **options: object) -> None: ...

    def __enter__(self) -> HereInstead:
        return self

    def __exit__(self, *arguments: object) -> None: ...

    def submit(self, function, *arguments):
        HereInstead.calls += 1
        result = function(*arguments)

        class Done:
            def result(self):
                return result

        return Done()


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> type[HereInstead]:
    HereInstead.calls = 0
    monkeypatch.setattr(probe, "ProcessPoolExecutor", HereInstead)
    return HereInstead


def estimates(tasks: str, data: str | None, model: str = MODEL) -> list[Estimate]:
    plan = make_plan(tasks, model, data, None, {"device": "cpu"})
    return estimate_jobs(ModelRequest(model), plan.jobs, load_models(), quiet=True)


def test_a_network_is_measured_once_on_a_machine(in_this_process: type[HereInstead]) -> None:
    first, second = estimates("knn,logistic", "digits")
    assert not first.because
    assert first.passes == 1797
    assert first.seconds < first.total
    assert first.memory > 10_000_000
    assert in_this_process.calls == 1
    again, _ = estimates("knn,logistic", "digits")
    assert again == first
    assert in_this_process.calls == 1
    estimates("class-retrieval", "digits")  # the same work on the same data
    assert in_this_process.calls == 1
    estimates("label-free", "digits")  # views are another way to read
    assert in_this_process.calls == 2
    assert total_of([first, second]).passes == first.passes  # the features are shared


def test_absent_data_and_weights_are_estimated_by_published_counts_and_a_drawn_network(
    in_this_process: type[HereInstead], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DINOBENCH_DATA", raising=False)
    used, about = probe.stand_in(ModelRequest("dino_vits16"), load_models())
    assert (used.spec, about["network"]) == ("random:vit_small/16", "vit_small/16")
    (job,) = make_plan("davis@stc", "random:resnet18", None, None, {"device": "cpu"}).jobs
    assert (look_at(job).facts.height, look_at(job).facts.width) == (480, 854)  # of DAVIS, not ImageNet's
    (found,) = estimates("knn", None)
    assert (found.passes, found.published) == (1_331_167, True)
    assert "the published counts" in cost_line(found)


def test_a_model_that_cannot_be_loaded_and_a_killed_measurement_are_reasons(
    tmp_path: Path, in_this_process: type[HereInstead], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.pth").write_bytes(b"no checkpoint")
    (found,) = estimates("knn", "digits", str(tmp_path / "broken.pth"))
    assert "broken.pth" in found.because
    assert cost_line(found).startswith("not estimated: ")

    def killed(*arguments: object) -> None:
        raise probe.BrokenProcessPool

    monkeypatch.setattr(probe, "probe", killed)
    (found,) = estimates("knn", "digits")
    assert "was killed" in found.because
    assert total_of([found]).because


def test_what_another_program_wrote_is_measured_anew(tmp_path: Path) -> None:
    path = kept_in({"network": "x"})
    assert load_measured(path) == Measured()
    kept = Measured(rate=2.0, cpu_rate=1.0, works={"w": WorkTime(1.0, 2.0, 3)}, loadings={"l": 1.0})
    save_measured(path, kept)
    assert load_measured(path) == kept
    for text in ("", "[]", '{"network": 1}', '{"works": {"a": 1}}', kept.to_json()[:-20]):
        path.write_text(text)
        assert load_measured(path) == Measured()
    assert kept_in({"network": "y"}) != path


def test_reading_network_and_cores_make_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: range(2))
    plan = make_plan("knn", MODEL, "digits", None, {"device": "cpu", "workers": 2})
    (job,) = plan.jobs
    data = look_at(job)
    model = load_backbone(MODEL).loaded
    known = Measured()
    probe.measure_jobs(model, [(job, data)], known, 0.2)
    assert known.network is not None
    cost = probe.cost_of(job, known.network, data)
    images = cost.passes

    def seconds(work: WorkTime, reading: float) -> float:
        only = replace(known, rate=1e30, cpu_rate=1e30, works=dict.fromkeys(known.works, work))
        only.loadings = dict.fromkeys(known.loadings, reading)
        found = estimate_of(job, cost, data, only)
        assert found.total_cpu == pytest.approx((work.cpu + reading) * images)
        return found.total / images

    assert seconds(WorkTime(1.0, 1.0, 0), 0.5) == pytest.approx(1.0)  # one core computes, the other reads
    assert seconds(WorkTime(1.0, 1.0, 0), 3.0) == pytest.approx(2.0)  # reading fills both
    assert seconds(WorkTime(1.0, 2.0, 0), 1.0) == pytest.approx(1.5)  # computing fills both, reading comes on top
    assert seconds(WorkTime(0.1, 0.0, 0), 0.0) == pytest.approx(0.1)  # a GPU computes


def test_a_long_task_is_announced_and_a_short_one_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (job,) = make_plan("knn", MODEL, "digits", None, {"device": "cpu"}).jobs
    model = load_backbone(MODEL).loaded
    monkeypatch.setattr(announce, "FEW_IMAGES", 500)
    announce.announce(job, model)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(announce, "LONG", 0.0)
    announce.announce(job, model)
    assert "knn@paper: about " in capsys.readouterr().err
    monkeypatch.setattr(announce, "_expected_seconds", lambda job, model: 1 / 0)
    announce.announce(job, model)  # what goes wrong stays there
    assert capsys.readouterr().err == ""


def test_the_dry_run_says_it_and_a_mistyped_name_is_said_at_once() -> None:
    command = ["eval", "--task", "knn", "--model", MODEL, "--data", "digits", "--device", "cpu", "--estimate"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert "cost    knn@paper: 1,797 images through the network, about " in done.output
    assert CliRunner().invoke(main, ["eval", "--task", "knm", "--estimate"]).exit_code == 2
    absent = CliRunner().invoke(main, [*command[:6], "absent/folder", "--estimate"])
    assert (absent.exit_code, "missing: " in absent.output) == (2, True)


def test_amounts_are_read_by_people() -> None:
    assert [magnitude(each) for each in (0.2, 90, 600, 7300, 200_000, 5e7)] == [
        "1 s", "90 s", "10 min", "2 h", "2.3 days", "579 days",
    ]  # fmt: skip
    assert [size(each) for each in (1500, 2.15e6, 3e9, 4e12)] == ["1.5 kB", "2.1 MB", "3.0 GB", "4.0 TB"]
    stage = StageTime(60.0, 50.0, 10, 2000)
    assert cost_line(Estimate({"a": stage}, memory=10**9)) == (
        "10 images through the network, about 60 s (50 s of CPU time), 1.0 GB of memory, 2.0 kB of features"
    )
