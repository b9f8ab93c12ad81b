"""Downloads, against a server on this machine that cuts, resumes, refuses and changes its mind."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dinobench.models.loading.download import cached_weights, fetch_weights, weights_folder
from dinobench.runtime.errors import InputError

CONTENT = bytes(range(256)) * 5000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `content` at every path; `cut` is where the next answer breaks off; `ranges` is what was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag = CONTENT, '"one"'
        self.cut: int | None = None
        self.status, self.kind, self.resumes = 200, "application/octet-stream", True
        self.ranges: list[str | None] = []

    def url(self, path: str = "weights/model_0.5.pth.tar") -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"

    def handle_error(self, *client: object) -> None:
        """A client that hangs up early is part of the tests."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, asked = self.server, self.headers.get("Range")
        server.ranges.append(asked)
        same = self.headers.get("If-Range") in (None, server.etag)
        start = int(asked[6:-1]) if asked and server.resumes and same else 0
        if start >= len(server.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.end_headers()
            return
        body = server.content[start:]
        self.send_response(206 if start else server.status)
        self.send_header("Content-Type", server.kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", server.etag)
        self.end_headers()
        self.wfile.write(body if server.cut is None else body[: server.cut])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def cut_after(server: Server, size: int, folder: Path) -> None:
    server.cut = size
    with pytest.raises(InputError, match=f"cut after {size:,} bytes.*run again to resume"):
        fetch_weights("net", server.url(), folder=folder)
    server.cut = None


def test_a_file_arrives_whole_under_the_cards_name(server: Server, tmp_path: Path) -> None:
    got = fetch_weights("net", server.url(), sha256=DIGEST, folder=tmp_path)
    assert got.path == tmp_path / "net.pth.tar"
    assert got.path.read_bytes() == CONTENT
    assert (got.sha256, got.verified, got.downloaded) == (DIGEST, True, True)
    assert not list(tmp_path.glob("*.part*"))


def test_the_first_digits_of_a_digest_are_checked_too(server: Server, tmp_path: Path) -> None:
    assert fetch_weights("net", server.url(), sha256=DIGEST[:8].upper(), folder=tmp_path).verified


def test_a_second_fetch_asks_nobody(server: Server, tmp_path: Path) -> None:
    fetch_weights("net", server.url(), folder=tmp_path)
    again = fetch_weights("net", server.url(), folder=tmp_path)
    assert not again.downloaded
    assert len(server.ranges) == 1


def test_a_cut_download_resumes_where_it_stopped(server: Server, tmp_path: Path) -> None:
    cut_after(server, 700_001, tmp_path)
    assert (tmp_path / "net.pth.tar.part").stat().st_size == 700_001
    assert cached_weights("net", server.url(), tmp_path) is None
    got = fetch_weights("net", server.url(), sha256=DIGEST, folder=tmp_path)
    assert got.path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=700001-"]


def test_a_server_that_cannot_resume_sends_all_again(server: Server, tmp_path: Path) -> None:
    cut_after(server, 1000, tmp_path)
    server.resumes = False
    assert fetch_weights("net", server.url(), folder=tmp_path).sha256 == DIGEST


def test_a_file_that_changed_meanwhile_is_not_glued_to_its_old_half(server: Server, tmp_path: Path) -> None:
    cut_after(server, 1000, tmp_path)
    server.content, server.etag = CONTENT[::-1], '"two"'
    assert fetch_weights("net", server.url(), folder=tmp_path).path.read_bytes() == CONTENT[::-1]


def test_a_part_of_another_address_is_not_continued(server: Server, tmp_path: Path) -> None:
    cut_after(server, 1000, tmp_path)
    fetch_weights("net", server.url("other/file.pth.tar"), folder=tmp_path)
    assert server.ranges == [None, None]


@pytest.mark.parametrize("surplus", [b"", b"more"])
def test_a_part_with_nothing_left_to_fetch(server: Server, tmp_path: Path, surplus: bytes) -> None:
    cut_after(server, 1000, tmp_path)
    (tmp_path / "net.pth.tar.part").write_bytes(CONTENT + surplus)
    assert fetch_weights("net", server.url(), sha256=DIGEST, folder=tmp_path).path.read_bytes() == CONTENT


def test_a_wrong_digest_leaves_nothing_behind(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"sha256 is {DIGEST}, the card says 0000"):
        fetch_weights("net", server.url(), sha256="0000", folder=tmp_path)
    assert not (tmp_path / "net.pth.tar").exists()
    assert not (tmp_path / "net.pth.tar.part").exists()


def test_a_file_already_there_is_checked_but_never_removed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "net.pth.tar").write_bytes(b"something else")
    with pytest.raises(InputError, match="remove the file and fetch again"):
        fetch_weights("net", server.url(), sha256=DIGEST, folder=tmp_path)
    assert (tmp_path / "net.pth.tar").read_bytes() == b"something else"


def test_a_card_that_moved_to_another_address_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    fetch_weights("net", server.url("old/a.pth"), folder=tmp_path)
    server.content = b"new weights"
    assert cached_weights("net", server.url("new/b.pth"), tmp_path) is None
    assert fetch_weights("net", server.url("new/b.pth"), folder=tmp_path).path.read_bytes() == b"new weights"
    assert cached_weights("net", server.url("old/a.pth"), tmp_path) is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [({"status": 404}, "answers 404 Not Found"), ({"kind": "text/html"}, "is a web page, not a file")],
)
def test_an_answer_that_is_no_file_is_one_line(
    server: Server, tmp_path: Path, setting: dict[str, object], message: str
) -> None:
    vars(server).update(setting)
    with pytest.raises(InputError, match=message) as caught:
        fetch_weights("net", server.url(), folder=tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_without_network_it_is_one_line(tmp_path: Path) -> None:
    with Server() as closed:
        url = closed.url()
    with pytest.raises(InputError, match=r"cannot reach 127\.0\.0\.1:\d+ .*network access"):
        fetch_weights("net", url, folder=tmp_path)


def test_only_http_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no http address"):
        fetch_weights("net", (tmp_path / "x.pth").as_uri(), folder=tmp_path)


def test_the_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path))
    folder = tmp_path / "weights"
    assert weights_folder() == folder
    assert cached_weights("net", "https://example.org/net.pth") is None
    folder.mkdir()
    (folder / "net.pth").write_bytes(b"copied by hand")
    assert cached_weights("net", "https://example.org/net.pth") == folder / "net.pth"


def test_a_folder_that_cannot_be_made_is_one_line(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot write"):
        fetch_weights("net", server.url(), folder=tmp_path / "file" / "inner")
