"""`dinobench models`, driven as a user does."""

import hashlib
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dinobench.cli.main import main


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Keep stderr to what the command itself says."""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server on this machine with one file, net.pth."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "net.pth").write_bytes(b"weights")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["models", *arguments])


def cards(tmp_path: Path, weights: str, extra: str = "") -> str:
    folder = tmp_path / "cards"
    folder.mkdir(exist_ok=True)
    (folder / "mine.toml").write_text(
        'title = "Mine"\nmethod = "DINO"\narchitecture = "vit_mini/4"\nfamily = "dino"\nsource = "me"\n'
        f'license = "MIT"\nweights = "{weights}"\n{extra}'
    )
    return f"--models-dir={folder}"


def test_the_list_says_what_can_be_downloaded() -> None:
    lines = {line.split()[0]: line for line in run().output.splitlines()}
    assert " released " in lines["dino_vits16"]
    assert "not released" in lines["dinov3_vits16"]


def test_show_prints_the_card_with_its_rows_and_figures() -> None:
    text = run("show", "dino_vits16").output
    assert "dino_deitsmall16_pretrain.pth" in text
    assert "table 3: method = DINO, arch = ViT-S/16, pretrain_data = ImNet" in text
    assert "roxford_medium = 37.2 (iBOT paper" in text
    assert "setting  heads = 12" in run("show", "mocov3_vits16").output


@pytest.mark.parametrize("verb", ["show", "fetch"])
def test_a_mistyped_name_gets_a_suggestion(verb: str) -> None:
    result = run(verb, "dino_vit16")
    assert result.exit_code == 2
    assert "did you mean" in result.output


def test_fetch_puts_the_file_into_the_folder(address: str, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    where = ["fetch", "mine", f"--output={tmp_path / 'out'}"]
    result = run(cards(tmp_path, f"{address}/net.pth", f'sha256 = "{digest}"'), *where)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "mine.pth").read_bytes() == b"weights"
    assert f"sha256 {digest} (as the card says)" in result.output
    assert "already here" in run(cards(tmp_path, f"{address}/net.pth"), *where).output


def test_fetch_prints_the_digest_where_none_is_published(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "kept"))
    result = run(cards(tmp_path, f"{address}/net.pth"), "fetch", "mine")
    assert f"sha256 {hashlib.sha256(b'weights').hexdigest()} (no known digest" in result.output
    assert (tmp_path / "kept" / "weights" / "mine.pth").is_file()


@pytest.mark.parametrize(
    ("file", "message"),
    [("absent.pth", "answers 404"), ("", "is a web page"), ("net.pth", "sha256 is .*the card says 00")],
)
def test_what_cannot_be_fetched_is_one_line_and_exit_2(address: str, tmp_path: Path, file: str, message: str) -> None:
    result = run(cards(tmp_path, f"{address}/{file}", 'sha256 = "00000000"'), "fetch", "mine", f"--output={tmp_path}")
    assert result.exit_code == 2
    assert len(result.output.splitlines()) == 1
    assert re.search(message, result.output)


def test_offline_is_one_line_and_exit_2(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as closed:
        address = f"http://127.0.0.1:{closed.server_port}"
    result = run(cards(tmp_path, f"{address}/net.pth"), "fetch", "mine", f"--output={tmp_path}")
    assert result.exit_code == 2
    assert result.output.startswith("Error: cannot reach 127.0.0.1")
    assert len(result.output.splitlines()) == 1


def test_random_weights_are_not_fetched() -> None:
    assert " random " in next(line for line in run().output.splitlines() if line.startswith("random_vits16"))
    result = run("fetch", "random_vits16")
    assert (result.exit_code, len(result.output.splitlines())) == (2, 1)
    assert "nothing to fetch" in result.output


def test_weights_that_nobody_released_say_why() -> None:
    result = run("fetch", "dinov3_vits16")
    assert result.exit_code == 2
    assert "not released: gated: request access at https://ai.meta.com" in result.output
