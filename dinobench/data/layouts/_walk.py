"""Images below a folder: each file once, whatever links lead to it; what is left out is counted and said."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from dinobench.data.channels import ARRAY_SUFFIX
from dinobench.data.decode import is_image_name
from dinobench.runtime.errors import InputError
from dinobench.runtime.text import first_few

_SYSTEM_NAMES = frozenset(
    {"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "@eadir", "lost+found"}
)


def is_hidden(name: str) -> bool:
    """Whether an operating system or a tool put it there: `.DS_Store`, `._photo.jpg`, `__MACOSX`, `Thumbs.db`."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in `folder`, hidden and system ones left out, sorted; none where there is no such folder."""
    if not folder.is_dir():
        return []
    with _scan_folder(folder) as entries:
        return sorted(entry.name for entry in entries if not is_hidden(entry.name) and entry.is_dir())


class Walk:
    """Reads folders below `top`, and keeps account of what it leaves out.

    A link to a folder is followed once, and not where the walk comes anyway; so loops end.

    Attributes:
        links: links that were not followed or read again.
        endings: how many files are no image, by ending.
        bare: files without an ending.
        broken: links that lead nowhere, and pipes or devices.
    """

    def __init__(self, root: Path, top: str = ".") -> None:
        self._root, self._start, self._top = root, top, os.path.realpath(root / top)
        self._seen: set[str] = set()
        self.links: list[str] = []
        self.endings: Counter[str] = Counter()
        self.bare: list[str] = []
        self.broken: list[str] = []

    def images(self, folder: str, *, deep: bool = True) -> list[str]:
        """Images in `folder` and, if `deep`, below it, relative to the root, in torchvision's order.

        Where there are no image files, .npy arrays count.
        """
        names = list(self._files_below(folder, deep))
        chosen = [name for name in names if is_image_name(name)]
        chosen = chosen or [name for name in names if name.endswith(ARRAY_SUFFIX)]
        self._count_left_out(names, set(chosen))
        return chosen

    def once(self, names: Sequence[str]) -> list[bool]:
        """For each file whether it is read: a link to a file that is read already is not."""
        links = {name for name in names if (self._root / name).is_symlink()} if self._has_file_links else set()
        if not links:
            return [True] * len(names)
        paths = [self._root / name for name in names]
        folders = {folder: os.path.realpath(folder) for folder in {path.parent for path in paths}}
        seen = {
            f"{folders[path.parent]}/{path.name}" for path, name in zip(paths, names, strict=True) if name not in links
        }
        kept = []
        for path, name in zip(paths, names, strict=True):
            target = os.path.realpath(path) if name in links else ""
            kept.append(name not in links or target not in seen)
            if name in links:
                seen.add(target)
        self.links += [name for name, keep in zip(names, kept, strict=True) if not keep]
        return kept

    def notes(self) -> tuple[str, ...]:
        """One line for each kind of what was left out."""
        lines = []
        if self.links:
            lines.append(f"links to what is read already are left out ({len(self.links)}): {first_few(self.links)}")
        if self.endings:
            counts = ", ".join(f"{count} {ending}" for ending, count in sorted(self.endings.items()))
            lines.append(f"files that are no images are left out: {counts}")
        if self.bare:
            lines.append(
                f"files without an ending are left out ({len(self.bare)}): {first_few(self.bare)}; "
                "if they are images, add .jpg or .png to their names"
            )
        if self.broken:
            lines.append(f"links that lead nowhere, pipes and devices are left out: {first_few(self.broken)}")
        return tuple(lines)

    _has_file_links = False

    def _files_below(self, folder: str, deep: bool) -> Iterator[str]:
        top = self._root / folder
        real = os.path.realpath(top)
        linked = folder != self._start and top.is_symlink()
        if real in self._seen or (linked and self._comes_anyway(real)):
            self.links.append(folder)
            return
        self._seen.add(real)
        found: list[tuple[str, list[str]]] = []
        pending = [(Path(folder), real)]
        while pending:
            place, here = pending.pop()
            files, folders = self._sorted_out(place)
            found.append((str(self._root / place), [(place / name).as_posix() for name in sorted(files)]))
            pending += self._linked_places(place, here, folders) if deep else []
        for _, names in sorted(found):
            yield from names

    def _sorted_out(self, place: Path) -> tuple[list[str], list[os.DirEntry[str]]]:
        """File names and folders of one place; hidden ones left out."""
        files, folders = [], []
        with _scan_folder(self._root / place) as entries:
            for entry in entries:
                if is_hidden(entry.name):
                    continue
                if entry.is_dir():
                    folders.append(entry)
                elif entry.is_file():
                    files.append(entry.name)
                    self._has_file_links |= entry.is_symlink()
                else:
                    self.broken.append((place / entry.name).as_posix())
        return files, folders

    def _linked_places(self, place: Path, here: str, folders: list[os.DirEntry[str]]) -> Iterator[tuple[Path, str]]:
        for entry in sorted(folders, key=lambda each: (each.is_symlink(), each.name)):
            path = place / entry.name
            real = os.path.realpath(self._root / path) if entry.is_symlink() else f"{here}/{entry.name}"
            if real in self._seen or (entry.is_symlink() and self._comes_anyway(real)):
                self.links.append(path.as_posix())
                continue
            self._seen.add(real)
            yield path, real

    def _comes_anyway(self, real: str) -> bool:
        """Whether a folder lies where the walk comes without a link, or above the top."""
        if self._top == real or self._top.startswith(f"{real}{os.sep}"):
            return True
        inside = real.startswith(f"{self._top}{os.sep}")
        return inside and not any(is_hidden(part) for part in Path(real[len(self._top) + 1 :]).parts)

    def _count_left_out(self, names: Sequence[str], chosen: set[str]) -> None:
        for name in names:
            if name not in chosen:
                ending = Path(name).suffix.lower()
                if ending:
                    self.endings[ending] += 1
                else:
                    self.bare.append(name)


def _scan_folder(folder: Path) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
    try:
        return os.scandir(folder)
    except OSError as error:
        raise InputError(f"folder {folder} cannot be read ({error.strerror}); check its permissions") from error
