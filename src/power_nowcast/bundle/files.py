"""The files of a bundle: listed, hashed and read once, so that exactly the verified bytes answer."""

import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from power_nowcast.errors import ArtifactDigestError, FormatVersionError, ModelError

FORMAT_VERSION = 9
FORMAT_OF_SHORT_DIGEST = 6
READABLE = (6, 7, 8, 9)
"""Readable formats. The digest of 6 covers less; up to 7 a calibration's factors contain `balance` and `skew`; up to 8
it does not name the steps by which it follows.
"""
HEAD = "model.json"
SHOWN_NAMES = 10


@dataclass(frozen=True)
class Files:
    """A bundle's files in memory, by their path in the bundle; `name` is the path of this object in it.

    A later change of a file on disk has no effect.
    """

    content: Mapping[str, bytes]
    name: str = ""

    def __truediv__(self, name: str, /) -> "Files":
        return Files(self.content, f"{self.name}/{name}" if self.name else name)

    def read_bytes(self) -> bytes:
        """The file's content.

        Raises:
            ModelError: the bundle has no such file.
        """
        if self.name not in self.content:
            raise ModelError(f"The model has no file {self.name}.", remedy="Train it again.", file=self.name)
        return self.content[self.name]

    def read_text(self) -> str:
        """The file's content as UTF-8."""
        return self.read_bytes().decode()


def read_head(folder: Path) -> dict[str, Any]:
    """The bundle's `model.json`, its format checked.

    Raises:
        ModelError: there is none. FormatVersionError: this version does not read its format.
    """
    try:
        head = json.loads((folder / HEAD).read_text())
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} has no model.", remedy="Train one: nowcast train.", path=str(folder)) from error
    found = head.get("format_version") if isinstance(head, dict) else None
    if found not in READABLE:
        raise FormatVersionError(
            f"The model in {folder} has format {found}; this version reads {READABLE[0]} to {READABLE[-1]}.",
            remedy="Use the version of power-nowcast that wrote it, or train again.",
            found=found,
            supported=READABLE,
        )
    return dict(head)


def digest_of(head: Mapping[str, Any]) -> str:
    """SHA-256 over everything that determines a bundle's answers, computed from its head.

    The head lists the SHA-256 of every file, and names format, kind, series, quantiles, knots, features and origin. The
    digest leaves out only the time of training: a repetition of the same training gives the same version. Format 6
    covers the kind, the features and the files; for such a bundle, loading compares series and knots with the files.
    """
    if head["format_version"] > FORMAT_OF_SHORT_DIGEST:
        info = {key: value for key, value in head["info"].items() if key != "created_at"}
        decisive: object = {key: value for key, value in head.items() if key != "digest"} | {"info": info}
        return _sha256(json.dumps(decisive, sort_keys=True).encode())
    return _sha256(json.dumps([head["kind"], head["spec"], head["files"]]).encode())


def sums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, by its path within."""
    return {
        path.relative_to(folder).as_posix(): _sha256(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def verify(folder: Path, digest: str | None = None) -> tuple[dict[str, Any], Files]:
    """Read a bundle's head and files, and check that they are unchanged.

    Args:
        folder: folder of the bundle.
        digest: the registered digest; without it the bundle must only be consistent.

    Returns:
        The head and the files, which are not read from disk again.

    Raises:
        ArtifactDigestError: a file is missing, differs, is not listed, is a link or is outside the folder; or the
            digest of the files is not the registered one.
        FormatVersionError: this version does not read the bundle's format.
        ModelError: there is no bundle.
    """
    head = read_head(folder)
    try:
        listed, claimed, found = dict(head["files"]), head["digest"], digest_of(head)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(folder, f"{HEAD} is not whole", digest) from error
    outside = [name for name in listed if _leaves(name)]
    if outside:
        raise _damaged(folder, f"{HEAD} lists files outside of the folder: {_told(outside)}", digest)
    there, links = _listing(folder)
    if links:
        raise _damaged(folder, f"{_told(links)}: a model has plain files only, no links", digest)
    if unlisted := sorted(there - set(listed) - {HEAD}):
        raise _damaged(folder, f"{_told(unlisted)}: not in its list of files", digest)
    content = {name: (folder / name).read_bytes() for name in listed if name in there}
    if wrong := [name for name in listed if name not in content or _sha256(content[name]) != listed[name]]:
        raise _damaged(folder, f"{_told(wrong)}: missing or damaged", digest)
    if found != claimed or digest not in (None, found):
        wanted = str(claimed) if digest is None else digest
        raise _damaged(folder, f"its digest is {found[:12]}, not the registered {wanted[:12]}", wanted)
    return head, Files(content)


def _listing(folder: Path) -> tuple[set[str], list[str]]:
    """Names of all plain files below a folder, and of all other entries that are not folders."""
    plain, other = set(), []
    for path in sorted(folder.rglob("*")):
        name, mode = path.relative_to(folder).as_posix(), path.lstat().st_mode
        if stat.S_ISREG(mode):
            plain.add(name)
        elif not stat.S_ISDIR(mode):
            other.append(name)
    return plain, other


def _leaves(name: object) -> bool:
    """Whether a listed name is a path outside the folder."""
    if not isinstance(name, str) or not name or "\\" in name or "\0" in name:
        return True
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or path.as_posix() != name


def _told(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more


def _damaged(folder: Path, what: str, expected: str | None) -> ArtifactDigestError:
    return ArtifactDigestError(
        f"The model in {folder} is not as it was written: {what}.",
        remedy="Download it again; if that fails too, train and register the model again.",
        path=str(folder),
        expected=expected,
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
