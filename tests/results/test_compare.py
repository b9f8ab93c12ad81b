from __future__ import annotations

import pytest

from dinobench.results.compare import compare
from dinobench.results.records import RecordStore
from dinobench.runtime.errors import InputError
from tests.results.factory import make_record


def _add(folder, name, right, **changes):
    """A record whose images listed in `right` are right, of 100."""
    path = folder / "files" / name / "predictions.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{image}.jpg,{int(image in right)}\n" for image in range(changes.pop("images", 100)))
    path.write_text("image,value\n" + rows)
    called = changes.pop("model_name", name)
    about = {"sha256": changes.pop("sha256", called * 8), "family": changes.pop("family", "dino")}
    model = {"name": called, "spec": called, **about}
    return RecordStore(folder).add(make_record(model=model, files=("other.pt", str(path)), **changes))


def test_a_clear_difference(tmp_path):
    _add(tmp_path, "good", range(90))
    _add(tmp_path, "poor", range(50))
    (found,) = compare(["good", "poor"], tmp_path)
    assert (found.a, found.b, found.images) == (90.0, 50.0, 100)
    assert found.difference.value == pytest.approx(40)
    assert 25 < found.difference.low < 40 < found.difference.high < 55
    assert found.notes == ()


@pytest.mark.parametrize(("images", "apart", "says"), [(4, 3, False), (12, 10, True), (100, 8, True)])
def test_of_few_images_the_exact_test_must_find_the_difference_too(tmp_path, images, apart, says):
    _add(tmp_path, "a", range(apart), images=images)
    _add(tmp_path, "b", range(0), images=images)
    (found,) = compare(["a", "b"], tmp_path)
    assert found.p_value < 0.05, "the bootstrap alone finds one each time"
    assert found.differs is says


def test_record_files_and_notes(tmp_path):
    one = _add(tmp_path, "a", range(50))
    other = _add(tmp_path, "b", range(1, 51), protocol={"name": "other", "version": 1, "hash": "1" * 16})
    (found,) = compare([str(one), str(other)], tmp_path)
    assert found.difference.low <= 0 <= found.difference.high
    assert "knn@paper and knn@other" in found.notes[0]


def test_files_that_moved_with_the_records(tmp_path):
    _add(tmp_path / "old", "a", range(50))
    _add(tmp_path / "old", "b", range(60))
    (tmp_path / "old").rename(tmp_path / "new")
    assert compare(["a", "b"], tmp_path / "new")[0].difference.value == pytest.approx(-10)


def test_values_are_found_behind_files_that_lie_deeper(tmp_path):
    for name, right in (("a", 50), ("b", 60)):
        deeper = tmp_path / "files" / name / "scores" / "car.csv"
        deeper.parent.mkdir(parents=True)
        deeper.write_text("frame,j\n1,0.5\n")
        rows = "".join(f"{image}.jpg,{int(image < right)}\n" for image in range(100))
        (tmp_path / "files" / name / "values.csv").write_text("image,value\n" + rows)
        kept = (f"files/{name}/scores/car.csv", f"files/{name}/values.csv")
        RecordStore(tmp_path).add(make_record(model={"name": name, "spec": name, "sha256": name * 64}, files=kept))
    assert compare(["a", "b"], tmp_path)[0].difference.value == pytest.approx(-10)


def test_refusals(tmp_path):
    _add(tmp_path, "a", range(50))
    _add(tmp_path, "fewer", range(50), images=99)
    RecordStore(tmp_path).add(make_record())
    with pytest.raises(InputError, match=r"1 are in one alone, first 99\.jpg"):
        compare(["a", "fewer"], tmp_path)
    with pytest.raises(InputError, match=r"no per-image values.*predictions=true"):
        compare(["a", "dino_vits16"], tmp_path)
    with pytest.raises(InputError, match="no record of model 'nobody'"):
        compare(["a", "nobody"], tmp_path)
    (tmp_path / "files" / "a" / "predictions.csv").write_text("image,value\n0.jpg,right\n")
    with pytest.raises(InputError, match="cannot read the per-image values"):
        compare(["a", "fewer"], tmp_path)


def test_models_without_a_common_task(tmp_path):
    for protocol in ("one", "two"):
        _add(tmp_path, "a", range(50), protocol={"name": protocol, "version": 1, "hash": protocol})
    _add(tmp_path, "b", range(50), task="linear")
    with pytest.raises(InputError, match="no task, protocol and data in common"):
        compare(["a", "b"], tmp_path)


def test_settings_are_paired_and_records_without_values_left_out(tmp_path):
    for name, right in (("a", 50), ("b", 60)):
        _add(tmp_path, name, range(right))
        _add(tmp_path, f"{name}{name}", range(20), deviations={"shots": 5}, model_name=name)
    RecordStore(tmp_path).add(make_record(model={"name": "a", "spec": "a", "sha256": "c" * 64}))
    found = compare(["a", "b"], tmp_path)
    assert sorted(round(each.difference.value) for each in found) == [-10, 0]


def test_records_given_as_files_find_their_values_beside_them(tmp_path):
    one, other = (_add(tmp_path / "old", name, range(50)) for name in "ab")
    (tmp_path / "old").rename(tmp_path / "new")
    paths = [str(tmp_path / "new" / path.name) for path in (one, other)]
    assert compare(paths, tmp_path / "elsewhere")[0].images == 100


def test_records_that_differ_in_seeds_are_runs_of_one_figure(tmp_path):
    for seed, right in enumerate((40, 60)):
        _add(tmp_path, f"a{seed}", range(right), deviations={"seed": seed} if seed else {}, model_name="a")
    _add(tmp_path, "b", range(20))
    (found,) = compare(["a", "b"], tmp_path)
    assert (found.a, found.b, found.runs, found.notes) == (50, 20, (2, 1), ())
    assert 10 < found.difference.low < 30 < found.difference.high


def test_other_weights_are_another_model(tmp_path):
    """Checkpoints of one training have one name, but their mean is nobody's figure."""
    for step, right in enumerate((40, 60)):
        _add(tmp_path, f"a{step}", range(right), model_name="a", sha256=str(step) * 8)
    _add(tmp_path, "b", range(20))
    assert sorted(each.a for each in compare(["a", "b"], tmp_path)) == [40, 60]


def test_random_weights_are_draws_of_one_baseline(tmp_path):
    for seed, right in enumerate((40, 60)):
        settings = {"deviations": {"init_seed": seed} if seed else {}, "family": "random"}
        _add(tmp_path, f"random{seed}", range(right), model_name="random", sha256=str(seed) * 8, **settings)
    _add(tmp_path, "b", range(80))
    (found,) = compare(["b", "random"], tmp_path)
    assert found.difference.value == pytest.approx(30)
    assert found.runs == (1, 2)
