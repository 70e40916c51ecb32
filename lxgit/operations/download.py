"""A file from an http(s) address: checked, and gone on with after an interruption.

What has come so far is kept in STORE/tmp:

    download-<digits of the address>.part   the bytes; flock(2) by whoever downloads
    download-<digits of the address>.from   what the server calls these: ETag or Last-Modified;
                                            and in a second line Last-Modified, or nothing

A later attempt asks for the rest, on the condition that it is the rest of the same (RFC 9110, Range
and If-Range). What a server gave no name for is fetched anew; where a digest judges what comes of
it, it is gone on with all the same, and fetched anew once if that is another. Leftovers of two
weeks are swept.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit

from lxgit.errors import LxgitError
from lxgit.fsutil import write_all, write_atomic
from lxgit.lean import NANOSECONDS
from lxgit.locks import locked
from lxgit.objects.limits import TooLarge, archive_size, free_space, no_room
from lxgit.operations.httpclient import (
    TIMEOUT,
    USER_AGENT,
    DownloadFailed,
    hint_of,
    make_opener,
    one_line,
    reason_of,
)
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from http.client import HTTPMessage
    from pathlib import Path

    from lxgit.progress import Progress
    from lxgit.repository import Repository

_ATTEMPTS = 3  # in a row that bring nothing
_PAUSE = 1.0  # seconds before another
_CHUNK = 1 << 18


class WrongDigest(LxgitError):
    """The file is not the one that was wanted."""


class _Interrupted(Exception):
    """The connection ended before the file did; what came is kept."""


class _Answer(NamedTuple):
    """What a server says before the bytes; `total` of the whole file, None when it does not say."""

    body: http.client.HTTPResponse
    start: int
    total: int | None
    version: str | None
    modified: str = ""


@contextmanager
def downloaded(
    repository: Repository,
    url: str,
    *,
    sha256: str | None = None,
    max_size: int | None = None,
    proxies: Mapping[str, str],
    progress: Progress,
) -> Iterator[Path]:
    """The file at an address, whole, while the context lasts; then it goes, unless that raised.

    Its mtime is what the server says, and 1970 where it says nothing.
    `sha256` is what its bytes must come to, in hexadecimal; `max_size` what its contents may have.
    `proxies` are the variables of the environment. DownloadFailed, WrongDigest, TooLarge; OSError
    as the system has it.
    """
    if parts_of(url).username is not None:
        raise DownloadFailed(
            "an address with a password in it would be kept in the history",
            hint="fetch it with another program, and give the file",
        )
    name = hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    part = repository.scratch_dir / f"download-{name}.part"
    with _owned(part, url) as fd:
        file = _File(fd, part, max_size, judged=sha256 is not None)
        try:
            _fetch_all(make_opener(proxies), url, file, progress)
            if sha256 is not None:
                digest = _digest(file, progress)
                if digest != sha256.lower() and file.guessed:
                    file.start_anew(None)
                    _fetch_all(make_opener(proxies), url, file, progress)
                    digest = _digest(file, progress)
                _check(file, digest, sha256.lower())
        except BaseException:
            if not file.size:
                file.remove()
            raise
        os.utime(fd, ns=(file.modified, file.modified))
        yield part
        file.remove()


def parts_of(url: str) -> SplitResult:
    """The parts of an address. DownloadFailed for what is none."""
    try:
        return urlsplit(url)
    except ValueError as error:
        raise DownloadFailed(f"'{url}': {error}") from None


@contextmanager
def _owned(part: Path, url: str) -> Iterator[int]:
    """The open file under its lock: whoever had that before may have removed the file."""
    while True:
        with locked(part, what=f"the download of '{url}'") as fd:
            if os.fstat(fd).st_nlink:
                yield fd
                return


class _File:
    """What has come so far, and what the server calls it.

    Of the room that there is, half: the image needs as much. `judged` says that a digest is known,
    `guessed` that a rest was asked for of which only that tells whether it is one.
    """

    def __init__(self, fd: int, path: Path, max_size: int | None, *, judged: bool) -> None:
        self.fd = fd
        self.guessed = False
        self._judged = judged
        self.path = path
        self._from = path.with_suffix(".from")
        self._room = (free_space(fd) + self.size) // 2
        self._allowed = None if max_size is None else archive_size(max_size)
        self._modified = ""
        for one in (fd, self._from):  # prune leaves both for as long since the last attempt
            with contextlib.suppress(FileNotFoundError):
                os.utime(one)

    @property
    def size(self) -> int:
        return os.fstat(self.fd).st_size

    @property
    def version(self) -> str | None:
        """What `If-Range` takes; None where the server gave nothing such."""
        return self._said()[0] or None

    @property
    def goes_on(self) -> bool:
        """Whether the rest can be asked for, once something has come."""
        return self._judged or self.version is not None

    @property
    def modified(self) -> int:
        """When it was modified, in nanoseconds since 1970; 0 where nobody says."""
        try:
            said = parsedate_to_datetime(self._modified or self._said()[1])
            return max(0, int(said.timestamp())) * NANOSECONDS
        except (ValueError, OverflowError):
            return 0

    def _said(self) -> tuple[str, str]:
        """The two lines about what has come."""
        try:
            version, _, modified = self._from.read_bytes().decode("ascii").partition("\n")
        except (FileNotFoundError, ValueError):  # there is none, or it is damaged
            return "", ""
        return _plain(version), modified

    def start_anew(self, version: str | None, modified: str = "") -> None:
        """Throw away what has come, and with it what was guessed; `version` names what comes."""
        self.guessed = False
        self._from.unlink(missing_ok=True)
        os.ftruncate(self.fd, 0)
        self._modified = modified
        if version is not None:
            write_atomic(self._from, f"{version}\n{modified}".encode("ascii"), durable=False)

    def append(self, data: bytes) -> None:
        end = os.lseek(self.fd, 0, os.SEEK_END)
        self.require(end + len(data))
        write_all(self.fd, data)

    def require(self, size: int) -> None:
        """TooLarge unless the file may have so many bytes."""
        if self._allowed is not None and size > self._allowed:
            raise TooLarge(
                f"the download has more than {self._allowed:,} bytes",
                hint="a larger --max-size allows it",
            )
        if size > self._room:
            raise no_room(self._room)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self._from.unlink(missing_ok=True)


def _fetch_all(
    opener: urllib.request.OpenerDirector, url: str, file: _File, progress: Progress
) -> None:
    """Fetch until the file is whole; an attempt that brings nothing new counts against it."""
    failures = 0
    while True:
        before = file.size
        try:
            _fetch(opener, url, file, progress)
        except _Interrupted as error:
            failures = 0 if file.size > before else failures + 1
            if failures >= _ATTEMPTS or not file.goes_on:
                raise DownloadFailed(
                    f"'{url}' broke off after {file.size} bytes: {error}",
                    hint="the same command goes on from there"
                    if file.goes_on
                    else "the server does not say what it would go on with: try again",
                ) from None
            time.sleep(_PAUSE)
        except TooLarge:
            file.remove()
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                file.remove()  # or nobody has room for anything
            raise
        else:
            return


def _fetch(
    opener: urllib.request.OpenerDirector, url: str, file: _File, progress: Progress
) -> None:
    answer = _ask(opener, url, file)
    if answer is None:
        return
    with contextlib.closing(answer.body):
        if answer.start == 0:
            file.start_anew(answer.version, answer.modified)
        if answer.total is not None:
            file.require(answer.total)
        progress.phase(f"Downloading {os.path.basename(parts_of(url).path) or url}", answer.total)
        progress.advance(answer.start)
        while data := _read(answer.body):
            file.append(data)
            progress.advance(len(data))
    if answer.total is not None and file.size != answer.total:
        raise _Interrupted(f"it should have {answer.total}")


def _read(body: http.client.HTTPResponse) -> bytes:
    try:
        return body.read1(_CHUNK)  # what is there, not what will be
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(reason_of(error)) from None


def _ask(opener: urllib.request.OpenerDirector, url: str, file: _File) -> _Answer | None:
    """The server's answer; None when the file is whole already."""
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    start = file.size if file.goes_on else 0
    if start:
        headers["Range"] = f"bytes={start}-"
        if file.version is None:
            file.guessed = True
        else:
            headers["If-Range"] = file.version
    try:
        # The address has one of two schemes, and so has every one that it leads to.
        request = urllib.request.Request(url, headers=headers)  # noqa: S310
        response = opener.open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()  # the connection
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            if error.headers.get("Content-Range") == f"bytes */{start}":
                return None
            return _anew(opener, url, file)
        said = f"{error.code} {one_line(error.reason)}"
        raise DownloadFailed(f"'{url}': {said}", hint=hint_of(error)) from None
    except ValueError as error:  # an address that is none
        raise DownloadFailed(f"'{url}': {error}") from None
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, TimeoutError | ConnectionError | http.client.HTTPException) and start:
            raise _Interrupted(reason_of(reason)) from None
        raise DownloadFailed(f"'{url}': {reason_of(reason)}", hint=hint_of(reason)) from None
    return _answer(response, start) or _anew(opener, url, file)


def _anew(opener: urllib.request.OpenerDirector, url: str, file: _File) -> _Answer | None:
    """The answer where all is asked for, after one that cannot be the rest."""
    if not file.size:
        raise DownloadFailed(f"'{url}': the server answers with a part, and was asked for all")
    file.start_anew(None)
    return _ask(opener, url, file)


def _answer(response: http.client.HTTPResponse, start: int) -> _Answer | None:
    """None for a part that is not the rest, or that does not say where the whole ends."""
    if response.status == http.client.PARTIAL_CONTENT:
        span, _, total = response.headers.get("Content-Range", "").partition("/")
        size = _size(total)
        if start and span.startswith(f"bytes {start}-") and size is not None:
            return _Answer(response, start, size, None)
        response.close()
        return None
    length = _size(response.headers.get("Content-Length", ""))
    modified = _plain(response.headers.get("Last-Modified", ""))
    return _Answer(response, 0, length, _version(response.headers), modified)


def _size(text: str) -> int | None:
    """A number of bytes; None when it is none, or has more digits than any file."""
    return int(text) if text.isdecimal() and len(text) < 20 else None


def _version(headers: HTTPMessage) -> str | None:
    """What stands for these very bytes: an ETag unless it is a weak one, or the time."""
    tag = _plain(headers.get("ETag", ""))
    return (tag if tag.startswith('"') else "") or _plain(headers.get("Last-Modified", "")) or None


def _plain(value: str) -> str:
    """A header's value; nothing where it is not plain ASCII on one line."""
    return value if value.isascii() and value.isprintable() else ""


def _digest(file: _File, progress: Progress) -> str:
    progress.phase("Checking the digest", file.size)
    digest = hashlib.sha256()
    at = 0
    while data := os.pread(file.fd, _CHUNK, at):
        digest.update(data)
        at += len(data)
        progress.advance(len(data))
    return digest.hexdigest()


def _check(file: _File, digest: str, wanted: str) -> None:
    if digest != wanted:
        file.remove()
        raise WrongDigest(
            f"what was downloaded has the SHA-256 {digest}, not {wanted}",
            hint="nothing of it is kept; ask whoever gave you the digest",
        )
