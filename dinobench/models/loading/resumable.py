"""One file from a web server: resumed after a cut where the server vouches for the version; no pages, no halves."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote, urlsplit

from tqdm import tqdm

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_json, write_text_atomically

_CHUNK = 1 << 20
_PATIENCE_S = 30.0
_WRITTEN_AS_THEY_ARE = "%/:?#[]@!$&'()*+,;=~"


def sibling_path(path: Path, suffix: str) -> Path:
    """The companion of a file: its name with one more suffix."""
    return path.with_name(path.name + suffix)


def origin_of(path: Path) -> dict[str, str]:
    """Where a file, whole or in part, came from: its address and the server's mark of that version."""
    note = sibling_path(path, ".origin")
    if not note.is_file():
        return {}
    try:
        origin = read_json(note)
    except InputError:
        origin = None
    if isinstance(origin, dict) and all(isinstance(value, str) for value in origin.values()):
        return origin
    return {"url": ""}


def discard(part: Path) -> None:
    """Remove a part and the note of its origin."""
    part.unlink(missing_ok=True)
    sibling_path(part, ".origin").unlink(missing_ok=True)


def download(url: str, part: Path) -> None:
    """Bring the file at `url` to `part`, or what is left of it where the server vouches for the same version."""
    origin = origin_of(part)
    resumes = part.is_file() and origin.get("url") == url and bool(origin.get("mark"))
    start = part.stat().st_size if resumes else 0
    headers = {"User-Agent": "dinobench", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": origin["mark"]}
    try:
        with _answers_in_words(url, part), _open(url, headers) as response:
            span = _answer_span(url, response, start)
            write_text_atomically(
                sibling_path(part, ".origin"), json.dumps({"url": url, "mark": _version_mark(response)})
            )
            _receive_file(response, part, span)
    except _OtherPartError as answer:
        if answer.length != start:
            discard(part)
            download(url, part)
    _refuse_page(url, part)


def _version_mark(response: http.client.HTTPResponse) -> str:
    """What tells this version of the file from another: its strong ETag, else when it was changed; "" for neither."""
    tag = response.headers.get("ETag") or ""
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified") or ""


class _OtherPartError(Exception):
    """The server has not the bytes after the part: it is whole, or of another file; `length` is the file's."""

    def __init__(self, length: int | None) -> None:
        super().__init__(length)
        self.length = length


@dataclass(frozen=True)
class _Span:
    """Which bytes of a file an answer holds: from `start` on; `total` is the length of the whole file if known."""

    start: int
    total: int | None


def _answer_span(url: str, response: http.client.HTTPResponse, start: int) -> _Span:
    """What an answer holds; everything but a file, or the rest that was asked for, is refused."""
    if urlsplit(response.url).scheme not in ("http", "https"):
        raise InputError(f"{url} leads to {response.url}, which is not an http address; download there by hand")
    if response.headers.get_content_type() == "text/html":
        raise InputError(f"{url} is a web page, not a file: download there by hand, then use --model FILE")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise InputError(f"{url} is sent compressed, which was not asked for; download it by hand, use --model FILE")
    announced = response.headers.get("Content-Length")
    if announced is not None and not announced.isdigit():
        raise InputError(f"{url} announces the length {announced!r}, which is not a number; try again later")
    if response.status == http.HTTPStatus.OK:
        return _Span(0, int(announced) if announced else None)
    if response.status != http.HTTPStatus.PARTIAL_CONTENT or not start:
        raise InputError(f"{url} answers {response.status} {response.reason}, not a file; see the card's source")
    return _partial_span(response.headers.get("Content-Range") or "", start)


def _partial_span(content_range: str, start: int) -> _Span:
    """The span of "bytes FIRST-LAST/TOTAL", which must begin where the part ends."""
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", content_range)
    if found is None or int(found[1]) != start:
        raise _OtherPartError(None)
    return _Span(start, None if found[3] == "*" else int(found[3]))


def _open(url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(f"{url} is not an http address; give a file on this disk directly as --model FILE")
    try:
        request = urllib.request.Request(quote(url, safe=_WRITTEN_AS_THEY_ARE), headers=headers)
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_PATIENCE_S)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and "Range" in headers:
            total = (error.headers.get("Content-Range") or "").rpartition("/")[2]
            raise _OtherPartError(int(total) if total.isdigit() else None) from error
        raise
    return response


@contextlib.contextmanager
def _answers_in_words(url: str, part: Path) -> Iterator[None]:
    """Turn what can go wrong on the network into one line each; what was received stays for the next call."""
    host = urlsplit(url).netloc
    try:
        yield
    except urllib.error.HTTPError as error:
        raise InputError(
            f"{url} answers {error.code} {error.reason}; see the card's source for where it went"
        ) from error
    except urllib.error.URLError as error:
        raise InputError(f"cannot reach {host} ({error.reason}); fetch on a machine with network access") from error
    except http.client.InvalidURL as error:
        raise InputError(f"{url} leads to an address that is not valid ({error}); correct `weights`") from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        received = part.stat().st_size if part.is_file() else 0
        raise InputError(
            f"the connection to {host} was cut after {received:,} bytes ({type(error).__name__}); run again to resume"
        ) from error
    except ValueError as error:
        raise InputError(f"{url} or where it leads is not a valid address ({error}); correct `weights`") from error


def _refuse_page(url: str, part: Path) -> None:
    """Refuse what was received if it is empty or begins as a web page does; it is removed."""
    with part.open("rb") as stream:
        start = stream.read(64).lstrip()
    if start and not start.startswith(b"<"):
        return
    discard(part)
    kind = "a web page, not a file" if start else "empty"
    raise InputError(f"{url} is {kind}: download there by hand, then use --model FILE")


def _receive_file(response: http.client.HTTPResponse, part: Path, span: _Span) -> None:
    bar = tqdm(
        total=span.total,
        initial=span.start,
        desc=part.stem,
        unit="B",
        unit_scale=True,
        file=sys.stderr,
        disable=not sys.stderr.isatty(),
        leave=False,
    )
    with _part_stream(part, "ab" if span.start else "wb") as stream, bar:
        received = span.start + _copy_blocks(response, stream, bar)
    if span.total is not None and received != span.total:
        raise http.client.IncompleteRead(b"", span.total - received)


@contextlib.contextmanager
def _part_stream(part: Path, mode: str) -> Iterator[IO[bytes]]:
    """The part, opened to be written and on the disk afterwards, whatever ended the transfer."""
    with part.open(mode) as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


def _copy_blocks(response: http.client.HTTPResponse, stream: IO[bytes], bar: tqdm) -> int:
    received = 0
    while chunk := response.read(_CHUNK):
        try:
            stream.write(chunk)
        except OSError as error:
            raise InputError(f"cannot write {stream.name}: {error.strerror}; free the disk and run again") from error
        bar.update(len(chunk))
        received += len(chunk)
    return received
