"""Download published weights, only when asked: with progress, resumed after a cut, checked, renamed at the end."""

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
from urllib.parse import urlsplit

from tqdm import tqdm

from dinobench.runtime.cache import cache_folder
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import sha256_file, write_text_atomically

_CHUNK = 1 << 20
_PATIENCE_S = 30.0
_RANGE_NOT_SATISFIABLE = 416


@dataclass(frozen=True)
class Fetched:
    """Weights on this disk.

    Attributes:
        sha256: hex digest of the whole file.
        verified: whether a known digest was there to compare with.
        downloaded: False where the file was here already.
    """

    path: Path
    sha256: str
    verified: bool
    downloaded: bool


def weights_folder() -> Path:
    """Where weights are kept, beside the other files of the cache."""
    return cache_folder("weights")


def cached_weights(name: str, url: str, folder: Path | None = None) -> Path | None:
    """The fetched file of card `name`, or None where it was not fetched or came from another address.

    A file that somebody copied into the folder counts too, as offline machines need.
    """
    path = _place(name, url, folder)
    return path if path.is_file() and _origin(path).get("url", url) == url else None


def fetch_weights(name: str, url: str, *, sha256: str = "", folder: Path | None = None) -> Fetched:
    """Bring the file at `url` to `folder`/NAME.suffix, or find it there.

    Args:
        name: the card's name; the file gets the suffix of the address (".pth", ".pth.tar").
        url: http(s) address.
        sha256: known digest or its first digits; empty to skip the check.
        folder: by default `weights_folder()`.

    Raises:
        InputError: no network, the server refuses, the connection is cut (the next call resumes), a web page instead of
            a file, or a digest that differs (what was downloaded is removed).
    """
    path = _place(name, url, folder)
    if cached_weights(name, url, folder):
        digest = _checked(path, sha256, "remove the file and fetch again")
        return Fetched(path, digest, bool(sha256), downloaded=False)
    part = _beside(path, ".part")
    _download(url, part)
    try:
        digest = _checked(part, sha256, "it was removed; if a new fetch says the same, the address holds another file")
    except InputError:
        part.unlink()
        raise
    _put(part, path)
    return Fetched(path, digest, bool(sha256), downloaded=True)


def _place(name: str, url: str, folder: Path | None) -> Path:
    file_name = urlsplit(url).path.rpartition("/")[2]
    suffix = re.sub(r"^.*?((\.[a-z]+)*)$", r"\1", file_name)
    return (folder or weights_folder()) / f"{name}{suffix}"


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _origin(path: Path) -> dict[str, str]:
    """Where a file, whole or in part, came from: its address and the server's mark of that version."""
    note = _beside(path, ".origin")
    try:
        return dict(json.loads(note.read_text(encoding="utf-8"))) if note.is_file() else {}
    except ValueError:
        return {"url": ""}


def _checked(path: Path, sha256: str, advice: str) -> str:
    digest = sha256_file(path)
    if not digest.startswith(sha256.lower()):
        raise InputError(f"{path}: sha256 is {digest}, the card says {sha256}; {advice}")
    return digest


def _put(part: Path, path: Path) -> None:
    """Rename a whole part; the order leaves, at every moment, no file beside another file's origin."""
    path.unlink(missing_ok=True)
    _beside(part, ".origin").replace(_beside(path, ".origin"))
    part.replace(path)


def _download(url: str, part: Path) -> None:
    origin = _origin(part)
    start = part.stat().st_size if part.is_file() and origin.get("url") == url else 0
    headers = {"User-Agent": "dinobench"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if origin.get("etag"):
            headers["If-Range"] = origin["etag"]
    try:
        with _answers_in_words(url, part), _open(url, headers) as response:
            _refuse_page(url, response)
            start = start if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0
            mark = response.headers.get("ETag") or ""
            note = {"url": url, "etag": "" if mark.startswith("W/") else mark}
            write_text_atomically(_beside(part, ".origin"), json.dumps(note))
            _receive(response, part, start)
    except _NothingLeftError as answer:
        if answer.length != start:
            part.unlink()
            _download(url, part)


class _NothingLeftError(Exception):
    """The server has no bytes after the part: it is whole, or of another file; `length` is the file's."""

    def __init__(self, length: int | None) -> None:
        super().__init__(length)
        self.length = length


def _open(url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(f"{url} is no http address; give a file on this disk directly as --model FILE")
    try:
        request = urllib.request.Request(url, headers=headers)
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_PATIENCE_S)
    except urllib.error.HTTPError as error:
        if error.code == _RANGE_NOT_SATISFIABLE and "Range" in headers:
            total = (error.headers.get("Content-Range") or "").rpartition("/")[2]
            raise _NothingLeftError(int(total) if total.isdigit() else None) from error
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
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        received = part.stat().st_size if part.is_file() else 0
        raise InputError(
            f"the connection to {host} was cut after {received:,} bytes ({type(error).__name__}); run again to resume"
        ) from error


def _refuse_page(url: str, response: http.client.HTTPResponse) -> None:
    if response.headers.get_content_type() == "text/html":
        raise InputError(f"{url} is a web page, not a file: download there by hand, then use --model FILE")


def _receive(response: http.client.HTTPResponse, part: Path, start: int) -> None:
    announced = response.headers.get("Content-Length")
    total = start + int(announced) if announced else None
    bar = tqdm(
        total=total,
        initial=start,
        desc=part.stem,
        unit="B",
        unit_scale=True,
        file=sys.stderr,
        disable=not sys.stderr.isatty(),
        leave=False,
    )
    with part.open("ab" if start else "wb") as stream, bar:
        received = start + _copy(response, stream, bar)
        stream.flush()
        os.fsync(stream.fileno())
    if total is not None and received != total:
        raise http.client.IncompleteRead(b"", total - received)


def _copy(response: http.client.HTTPResponse, stream: IO[bytes], bar: tqdm) -> int:
    received = 0
    while chunk := response.read(_CHUNK):
        stream.write(chunk)
        bar.update(len(chunk))
        received += len(chunk)
    return received
