"""The files of a Git repository elsewhere: a build's context, or what ADD takes.

    https://example.org/app.git#v1.2:docs

means the directory `docs` of the commit that `v1.2` names there. That commit alone is fetched where
the server can do so, and none of its submodules. Git checks what comes (transfer.fsckObjects) and
writes it out; whoever made it may mean harm, so its files are read as those of any context.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager

from lxgit.beneath import open_beneath
from lxgit.build.sources import HostDirectory, resolved
from lxgit.build.taking import clean
from lxgit.errors import LxgitError
from lxgit.objects.extent import MAX_ENTRIES, TooManyEntries
from lxgit.objects.filetree import MOST_PATHS
from lxgit.objects.git import Git, GitFailed
from lxgit.objects.limits import Account, limits_for
from lxgit.operations.download import parts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lxgit.objects.limits import Limits
    from lxgit.progress import Progress

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@-]*")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_ID = re.compile(r"[0-9a-f]{40}")
_EVERYTHING = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_SETTINGS = (
    "core.bare=false",
    "core.quotePath=false",
    "transfer.fsckObjects=true",
    "gc.auto=0",
)
_BY_HAND = "clone it, and give the directory with what is wanted of it"


class CannotClone(LxgitError):
    """The repository cannot be had, or has not what is wanted."""


@contextmanager
def cloned(
    address: str, scratch: Path, *, proxies: Mapping[str, str], progress: Progress
) -> Iterator[HostDirectory]:
    """Fetch one commit into `scratch`, a directory that goes with its owner; its files.

    CannotClone; TooManyEntries, TooLarge; DownloadFailed for what is no address; CircleOfLinks,
    PathTooLong.
    """
    url, _, fragment = address.partition("#")
    name, _, place = fragment.partition(":")
    url = _checked(f"https://{url}" if url.startswith("github.com/") else url)
    if name and not _NAME.fullmatch(name):
        raise CannotClone(f"'{name[:80]}' names no commit", hint=f"{url}#BRANCH, or a tag or an id")
    progress.phase(f"Fetching {url}")
    number = len(list(scratch.glob("clone-*")))
    top, files = scratch / f"clone-{number}", scratch / f"clone-{number}-files"
    Git(None).run(["init", "--quiet", "--bare", "--template=", f"{top}"])
    git = Git(top, *_SETTINGS)
    commit = _fetch(git, url, name or "HEAD", {"GIT_ALLOW_PROTOCOL": allowed(url), **proxies})
    try:
        _check_extent(git, commit, limits_for(scratch, None))
        _write_out(git, commit, files)
    except GitFailed as error:
        raise CannotClone(
            f"'{url}' cannot be written out: {error.message}", hint=_BY_HAND
        ) from None
    progress.phase("")
    with _opened(files, clean(place)) as root:
        yield HostDirectory(root)


def allowed(url: str) -> str:
    """What Git may speak for an address: as it says, and from http also https, never back."""
    scheme = url.partition("://")[0]
    return "http:https" if scheme == "http" else scheme


def _check_extent(git: Git, commit: str, limits: Limits) -> None:
    """Refuse what there is no room for: a few trees that have each other unfold to any number.

    Git's index has each path in memory, as long as it is. TooManyEntries, TooLarge.
    """
    account = Account(limits)
    paths = 0
    lines = git.lines(["ls-tree", "-r", "-t", "-l", "--full-tree", commit])
    for entries, line in enumerate(lines, start=1):
        facts, _, path = line.partition(b"\t")
        paths += len(path)
        if entries > MAX_ENTRIES or paths > MOST_PATHS:
            raise TooManyEntries(
                f"the repository unfolds to more than {MAX_ENTRIES:,} entries,"
                f" or {MOST_PATHS >> 20} MiB of paths",
                hint=_BY_HAND,
            )
        size = facts.rpartition(b" ")[2]
        if size != b"-":  # a directory, or a submodule
            account.add(int(size), int(size))


def _write_out(git: Git, commit: str, files: Path) -> None:
    with _usual_umask():
        files.mkdir()
        for words in (["read-tree", commit], ["checkout-index", "--all", "--quiet"]):
            list(git.stream(words, environment={"GIT_WORK_TREE": f"{files}"}))


@contextmanager
def _usual_umask() -> Iterator[None]:
    """Have files get the modes that the repository says, whoever fetches it."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _opened(files: Path, place: str) -> Iterator[int]:
    """The directory at a place, which a link inside may lead to."""
    top = os.open(files, _DIRECTORY)
    try:
        fd = open_beneath(top, resolved(HostDirectory(top), os.fsencode(place)), _DIRECTORY)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise
        raise CannotClone(f"the repository has no directory '{place}'") from None
    finally:
        os.close(top)
    try:
        yield fd
    finally:
        os.close(fd)


def _checked(url: str) -> str:
    if url.startswith(("git@", "ssh://")):
        raise CannotClone(
            "a repository is not fetched by SSH: a build has nobody's key",
            hint="an address that begins with https://, or a clone of it as the context",
        )
    if "@" in parts_of(url).netloc:
        raise CannotClone(
            "an address with a password in it would be kept in the history",
            hint="clone it, and give the directory",
        )
    return url


def _fetch(git: Git, url: str, name: str, environment: Mapping[str, str]) -> str:
    """Fetch what a name stands for; the id of the commit."""

    def fetch(*words: str) -> None:
        command = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", *words]
        list(git.stream(command, environment=environment))

    try:
        try:
            fetch("--depth=1", "--end-of-options", url, name)
        except GitFailed:  # a server that gives no part of a history, or no commit by its id
            fetch("--end-of-options", url, *(_EVERYTHING if _ID.fullmatch(name) else (name,)))
        found = name if _ID.fullmatch(name) else "FETCH_HEAD"
        return git.run(["rev-parse", "--verify", f"{found}^{{commit}}"]).decode().strip()
    except GitFailed as error:
        raise CannotClone(
            f"'{url}' cannot be fetched: {error.message}", hint=f"is there a '{name}'?"
        ) from None
