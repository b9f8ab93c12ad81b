"""Downloads, against a server on this machine that cuts, resumes, refuses and changes its mind."""

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dinobench.models.loading import download
from dinobench.models.loading.download import cached_weights, download_lock, fetch_weights, weights_folder
from dinobench.runtime.errors import InputError

CONTENT = bytes(range(256)) * 5000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `content` at every path; `cut` is where the next answer breaks off; `ranges` is what was asked for.

    `headers` replace the server's own; None leaves one out.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag = CONTENT, '"one"'
        self.cut: int | None = None
        self.status, self.kind, self.resumes = 200, "application/octet-stream", True
        self.ranges: list[str | None] = []
        self.headers: dict[str, str | None] = {}

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
        headers = {"Content-Type": server.kind, "Content-Length": str(len(body)), "ETag": server.etag}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(server.content) - 1}/{len(server.content)}"
        for name, value in {**headers, **server.headers}.items():
            if value is not None:
                self.send_header(name, value)
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
    with pytest.raises(InputError, match="not an http address"):
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


def test_another_range_than_asked_is_never_appended(server: Server, tmp_path: Path) -> None:
    cut_after(server, 1000, tmp_path)
    server.headers = {"Content-Range": f"bytes 500-{len(CONTENT) - 1}/{len(CONTENT)}"}
    assert fetch_weights("net", server.url(), folder=tmp_path).path.read_bytes() == CONTENT
    assert server.ranges[-1] is None


def test_a_rest_that_ends_before_the_file_does_is_a_cut(server: Server, tmp_path: Path) -> None:
    cut_after(server, 1000, tmp_path)
    rest = 10
    server.headers = {
        "Content-Length": str(rest),
        "Content-Range": f"bytes 1000-{1000 + rest - 1}/{len(CONTENT)}",
    }
    server.cut = rest
    with pytest.raises(InputError, match="cut after 1,010 bytes"):
        fetch_weights("net", server.url(), folder=tmp_path)
    assert cached_weights("net", server.url(), tmp_path) is None


def test_a_part_whose_version_nobody_vouches_for_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    server.headers = {"ETag": None}
    cut_after(server, 1000, tmp_path)
    server.content = CONTENT[::-1]
    assert fetch_weights("net", server.url(), folder=tmp_path).path.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"status": 204, "content": b" "}, "answers 204 No Content, not a file"),
        ({"content": b""}, "is empty|answers 416"),
        ({"content": b"<!DOCTYPE html><html>sign in</html>"}, "is a web page, not a file"),
        ({"headers": {"Content-Encoding": "gzip"}}, "is sent compressed"),
        ({"headers": {"Content-Length": "abc"}}, "announces the length 'abc'"),
        ({"status": 302, "headers": {"Location": "http://[bad"}}, "not a valid address"),
        ({"status": 302, "headers": {"Location": "file:///etc/passwd"}}, "answers 302"),
    ],
)
def test_what_is_no_file_is_one_line_and_leaves_nothing(
    server: Server, tmp_path: Path, setting: dict[str, object], message: str
) -> None:
    vars(server).update(setting)
    with pytest.raises(InputError, match=message) as caught:
        fetch_weights("net", server.url(), folder=tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_an_address_in_other_letters_is_fetched(server: Server, tmp_path: Path) -> None:
    assert fetch_weights("net", server.url("g\u00e9n\u00e9ral/net.pth"), folder=tmp_path).sha256 == DIGEST


@pytest.mark.parametrize("note", ["[1, 2]", "[" * 100_000, '{"url": 3}', "\udcff"])
def test_a_damaged_note_of_origin_means_a_new_fetch(server: Server, tmp_path: Path, note: str) -> None:
    fetch_weights("net", server.url(), folder=tmp_path)
    (tmp_path / "net.pth.tar.origin").write_bytes(note.encode(errors="surrogateescape"))
    assert fetch_weights("net", server.url(), folder=tmp_path).downloaded


def test_a_wrong_digest_removes_the_note_as_well(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the card says 0000"):
        fetch_weights("net", server.url(), sha256="0000", folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_two_fetches_of_one_file_do_not_share_its_part(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "net.pth.tar"
    with download_lock(path), pytest.raises(InputError, match="another process is fetching"):
        fetch_weights("net", server.url(), folder=tmp_path)
    assert fetch_weights("net", server.url(), folder=tmp_path).downloaded


def test_what_another_fetch_brought_before_the_lock_was_free_is_not_fetched_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def late(path: Path) -> Iterator[None]:
        monkeypatch.setattr(download, "download_lock", download_lock)
        assert fetch_weights("net", server.url(), folder=tmp_path).downloaded
        with download_lock(path):
            yield

    monkeypatch.setattr(download, "download_lock", late)
    assert not fetch_weights("net", server.url(), folder=tmp_path).downloaded
    assert server.ranges == [None]
