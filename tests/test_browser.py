"""The report in a real browser: `make test-browser`; skipped where Playwright, axe-core or Chromium is not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dinobench.results.records import RecordStore
from dinobench.results.report import write_report
from tests.results.factory import make_record

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser's tests need playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="the browser's tests need axe-core")

WIDTHS = {390: 844, 1280: 800, 3840: 2160}
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome") or ""
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium; install one, or name it by $CHROMIUM")

LOG = "".join(f'{{"step": {n}, "epoch": {n / 10}, "loss": {5 - n / 10}, "knn": {20 + n}}}\n' for n in range(20))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of three models on two protocols, a failed run, answers, a picture and two trainings."""
    root = tmp_path_factory.mktemp("board")
    results, store = root / "records", RecordStore(root / "records")
    for number, name in enumerate(("dino_vits16", "mine", "a" * 60 + "<b>")):
        file = results / "files" / str(number) / "predictions.csv"
        file.parent.mkdir(parents=True)
        said = [("cat", "dog")[(image < 5 * number) ^ (image % 2)] for image in range(40)]
        truth = [("cat", "dog")[image % 2] for image in range(40)]
        rows = [f"{n}.jpg,{a},{b},{int(a == b)}\n" for n, (a, b) in enumerate(zip(truth, said, strict=True))]
        file.write_text("image,label,predicted,value\n" + "".join(rows))
        Image.new("RGB", (900, 300), (200, 90 * number, 0)).save(file.with_name("masks.png"))
        model = {"name": name, "sha256": f"{number}" * 64, "card": name if number == 0 else ""}
        kept = tuple(f"files/{number}/{each}" for each in ("predictions.csv", "masks.png"))
        figure = 100 - 12.5 * number
        common: dict[str, Any] = {"model": {**model, "architecture": "vit_small/16"}, "comparable": number == 0}
        common["because"] = () if number == 0 else ("4000 train images where the benchmark has 1281167",)
        store.add(make_record(metrics={"top1": figure}, intervals={"top1": (figure - 2, 100)}, files=kept, **common))
        speed = {"task": "throughput", "main_metric": "images_per_second"}
        store.add(make_record(metrics={"images_per_second": 900.0 + 100 * number}, **speed, **common))
    failed = {"task": "linear", "main_metric": "top1_best", "metrics": {}, "error": "the disk is full"}
    store.add(make_record(**failed, comparable=False, model={"name": "mine", "sha256": "1" * 64}))
    for run in ("first", "second"):
        (root / "runs" / run).mkdir(parents=True)
        (root / "runs" / run / "log.jsonl").write_text(LOG)
    return write_report(results, root / "report", root / "runs")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    """The report's first page; every request outside its folder and every message of the console is an error."""
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    told: list[str] = []
    opened.on("console", lambda message: told.append(message.text))
    opened.on("pageerror", lambda error: told.append(str(error)))
    opened.on("requestfailed", lambda request: told.append(request.url))
    opened.on("request", lambda request: told.append(request.url) if not request.url.startswith("file:") else None)
    opened.goto(report.as_uri())
    yield opened
    opened.close()
    assert told == []


def shown_models(page: Any) -> list[str]:
    rows = page.locator("section.board[data-task=knn] tbody tr:visible td:first-child")
    return [text.strip() for text in rows.all_inner_texts()]


def test_a_board_is_sorted_and_filtered(page: Any) -> None:
    page.locator("section.board[data-task=knn] th button", has_text="top1").click()
    page.locator("section.board[data-task=knn] th button", has_text="top1").click()
    assert shown_models(page)[-1] == "dino_vits16"
    assert page.locator("th[aria-sort=ascending]").count() == 1
    page.get_by_label("Filter").fill("MINE")
    assert shown_models(page) == ["mine"]
    page.get_by_label("Filter").fill("")
    page.get_by_label("Comparable with the paper").select_option("yes")
    assert shown_models(page) == ["dino_vits16"]
    page.get_by_label("Task").select_option("linear")
    assert page.locator("section.board:visible").count() == 0
    assert page.locator("#count").inner_text() == "0 figures"


def test_a_records_page_is_reached_by_keyboard(page: Any) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.board td a')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/records/**")
    assert "knn@paper on imagenet" in page.locator("h1").inner_text()
    assert page.get_by_text("ks", exact=True).count() == 1
    page.get_by_role("link", name="All records").press("Enter")
    page.wait_for_url("**/index.html")


def pages_of(report: Path) -> list[Path]:
    folders = (sorted((report.parent / name).glob("*.html")) for name in ("records", "models"))
    return [report, *(folder[-1] for folder in folders)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_and_nothing_runs_over_the_edge(browser: Any, report: Path, width: int, scheme: str) -> None:
    pictures = Path("build/screenshots")
    for path in pages_of(report):
        opened = browser.new_page(viewport={"width": width, "height": WIDTHS[width]}, color_scheme=scheme)
        opened.goto(path.as_uri())
        found = axe.Axe().run(opened)
        assert found.violations_count == 0, found.generate_report()
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
        name = path.parent.name if path != report else "board"
        opened.screenshot(path=pictures / f"{name}-{width}-{scheme}.png", full_page=width < 3840)
        opened.close()


def test_two_thousand_records_load_in_their_page(browser: Any, tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "records")
    model = {"name": "mine", "sha256": "ab" * 32}
    for number in range(20):
        store.add(make_record(model=model, deviations={"note": f"run{number}x"}, settings={"seed": number}))
    page = write_report(tmp_path / "records", tmp_path / "report", tmp_path / "none")
    text = page.read_text()
    start, end = text.index("<tbody>") + 7, text.index("</tbody>")
    page.write_text(text[:start] + text[start:end] * 100 + text[end:])
    opened = browser.new_page()
    opened.goto(page.as_uri())
    opened.get_by_label("Filter").fill("run7x")
    assert opened.locator("section.board tbody tr:visible").count() == 100
    opened.close()
