"""Answers of servers as received, kept by their content: tables come from them, and servers need not resend them."""

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from power_nowcast.errors import StoreError

KEPT = timedelta(days=30)
"""An answer is kept at least this long, if answers are pruned now and then: its publisher need not resend it."""


@dataclass(frozen=True)
class Answer:
    """One answer: its address (keys left out), when its content was first received, and the name of its bytes."""

    url: str
    status: int
    received_at: datetime
    sha256: str
    content_type: str | None = None
    etag: str | None = None
    last_modified: str | None = None


class Answers:
    """A folder of answers; made when first written.

    `content/` holds each content once, compressed, named by its SHA-256; `answers/` one small JSON for each time that
    an address gave another content than before.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def newest(self, url: str) -> tuple[Answer, bytes] | None:
        """The last answer of an address and its bytes; None if there is none, or none that is whole."""
        for file in sorted(self._of(url).glob("*.json"), reverse=True):
            try:
                answer = _read(file)
                return answer, self.data(answer)
            except (OSError, ValueError, TypeError, KeyError):
                continue  # the address is asked again
        return None

    def data(self, answer: Answer) -> bytes:
        """The bytes of an answer.

        Raises:
            OSError: they are gone or damaged.
        """
        file = self._content(answer.sha256)
        try:
            data = gzip.decompress(file.read_bytes())
        except (EOFError, zlib.error) as error:
            raise OSError(f"{file} is damaged: {error}") from error
        if hashlib.sha256(data).hexdigest() != answer.sha256:
            raise OSError(f"{file} is damaged")
        return data

    def keep(self, answer: Answer, data: bytes) -> None:
        """Write an answer, its bytes first.

        Raises:
            StoreError: the folder cannot be written.
        """
        name = f"{answer.received_at:%Y%m%dT%H%M%S.%fZ}.json"
        text = json.dumps(asdict(answer), default=datetime.isoformat, indent=1)
        try:
            if not self._holds(answer):
                _write(self._content(answer.sha256), gzip.compress(data, mtime=0))
            _write(self._of(answer.url) / name, text.encode())
        except OSError as error:
            raise StoreError(
                f"{self.folder} cannot be written: {error.strerror or error}.",
                remedy="Check that the folder is writable and not full.",
                path=str(self.folder),
            ) from error

    def prune(self, before: datetime) -> int:
        """Delete answers received before a time, and contents that no other answer has; returns how many files.

        A server then sends the whole answer again when it is asked. Newer contents stay, because their answer may be
        about to be written.

        Raises:
            StoreError: a file cannot be deleted.
        """
        gone, needed = [], set()
        for file in self.folder.glob("answers/*/*.json"):
            try:
                answer = _read(file)
            except (OSError, ValueError, TypeError, KeyError):
                gone.append(file)
                continue
            if answer.received_at < before:
                gone.append(file)
            else:
                needed.add(answer.sha256)
        contents = self.folder.glob("content/*/*.gz")
        old = [file for file in contents if file.name.removesuffix(".gz") not in needed]
        try:
            gone += [file for file in old if file.stat().st_mtime < before.timestamp()]
            for file in gone:
                file.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"{error.filename} cannot be deleted: {error.strerror or error}.",
                remedy="Check that the folder is writable.",
                path=str(error.filename),
            ) from error
        return len(gone)

    def __iter__(self) -> Iterator[Answer]:
        """Every answer, oldest first."""
        files = self.folder.glob("answers/*/*.json")
        yield from (_read(file) for file in sorted(files, key=lambda file: (file.name, file.parent.name)))

    def _holds(self, answer: Answer) -> bool:
        try:
            self.data(answer)
        except OSError:
            return False
        return True

    def _of(self, url: str) -> Path:
        return self.folder / "answers" / hashlib.sha256(url.encode()).hexdigest()[:24]

    def _content(self, sha256: str) -> Path:
        return self.folder / "content" / sha256[:2] / f"{sha256}.gz"


def _read(file: Path) -> Answer:
    fields = json.loads(file.read_text())
    received_at = datetime.fromisoformat(fields.pop("received_at")).astimezone(UTC)
    return Answer(received_at=received_at, **fields)


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    # A file of this name is whole: it is renamed into place.
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.write_bytes(data)
    part.replace(file)
