"""A store on disk: its paths, its version, its locks; opens objects and refs.

docs/format.md lists all that is in it. The directory has mode 0700.
"""

from __future__ import annotations

import os

from lxgit.errors import LxgitError, quoted
from lxgit.fsutil import make_directories, write_atomic
from lxgit.lean import cached_property, contextmanager, suppress
from lxgit.locks import locked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.git import Git
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.operationlog import OperationLog
    from lxgit.objects.refreader import RefReader
    from lxgit.objects.refs import RefStore
    from lxgit.objects.revisions import Revisions

FORMAT = b"lxgit store 1\n"
OBJECTS = "what gc may drop"
_OTHER_FILES = (b"include", b"worktreeconfig")  # sections and a key that name some (git-config(1))
_OTHERS_WRITE = 0o022
_DIRECTORIES = ("layers", "containers", "locks", "tmp")
_CREATION = "create"  # the lock of it


class NoStore(LxgitError):
    """There is no store at that path."""


class NotAStore(LxgitError):
    """What is at that path is no store, or one of a later version."""


class StoreDenied(LxgitError):
    """The store is somebody else's."""


class Repository:
    """An open store. Opening reads one small file; everything else is read when it is wanted.

    `location` is its directory as text, for those who do without pathlib.
    """

    def __init__(self, path: Path | str) -> None:
        self.location = os.fspath(path)
        self._git_dir = f"{self.location}/git"
        self._moves: list[tuple[str, str | None, str | None, str]] = []  # to be told as events

    @cached_property
    def path(self) -> Path:
        """The store's directory."""
        from pathlib import Path  # 2 ms, which readers of history do not need

        return Path(self.location)

    @cached_property
    def git_dir(self) -> Path:
        return self.path / "git"

    @cached_property
    def layers_dir(self) -> Path:
        return self.path / "layers"

    @cached_property
    def containers_dir(self) -> Path:
        return self.path / "containers"

    @cached_property
    def volumes_dir(self) -> Path:
        return self.path / "volumes"

    @cached_property
    def networks_dir(self) -> Path:
        return self.path / "networks"

    @cached_property
    def scratch_dir(self) -> Path:
        path = self.path / "tmp"
        if not path.is_dir():  # a backup may have left out what is empty
            path.mkdir(mode=0o700, exist_ok=True)
        return path

    @cached_property
    def objects(self) -> ObjectDatabase:
        from lxgit.objects.database import ObjectDatabase

        return ObjectDatabase(self.git_dir)

    @cached_property
    def refs(self) -> RefStore:
        from lxgit.objects.refs import RefStore

        return RefStore(self._git_dir, keeping=self._keeping, record=self._record)

    @cached_property
    def ref_reader(self) -> RefReader:
        """The refs for those who move none."""
        from lxgit.objects.refreader import RefReader

        return RefReader(self._git_dir)

    @cached_property
    def operations(self) -> OperationLog:
        """What moved refs. All changes by one `Repository` are one operation, unless it says so."""
        from lxgit.objects.operationlog import OperationLog

        return OperationLog(self.path / "operations", self.path / "locks/operations")

    def _record(self, name: str, old: str | None, new: str | None, message: str, time: int) -> None:
        self.operations.record(name, old, new, message, time)
        self._moves.append((name, old, new, message))

    @cached_property
    def revisions(self) -> Revisions:
        from lxgit.objects.revisions import Revisions

        return Revisions(lambda: self.objects, self.ref_reader, self.git)

    @cached_property
    def git(self) -> Git:
        from lxgit.objects.git import Git

        return Git(self._git_dir)

    @contextmanager
    def _keeping(self, oid: ObjectID | None) -> Iterator[None]:
        """Keep gc away while a ref moves to an object, which must be there; MissingObject."""
        from lxgit.objects.database import MissingObject, ObjectDatabase

        with self.writing():
            if oid is not None:
                with ObjectDatabase(self.git_dir) as now:  # without packs that have gone since
                    if oid not in now:
                        raise MissingObject(oid, {})
            before = len(self._moves)
            try:
                yield
            except BaseException:
                del self._moves[before:]
                raise
        moved, self._moves[before:] = self._moves[before:], []
        for move in moved:
            self._tell(*move)

    def _tell(self, name: str, old: str | None, new: str | None, message: str) -> None:
        """Have `lxgit events` know that a branch or a tag is not where it was."""
        from lxgit import eventlog
        from lxgit.objects.refnames import BRANCHES, LATEST, TAGS, image_and_tag

        if not name.startswith((BRANCHES, TAGS)):
            return
        way = message.partition(":")[0]
        made = way if way in ("import", "commit", "pull", "load") else "tag"
        if name.startswith(BRANCHES):
            shown = f"{name.removeprefix(BRANCHES)}:{LATEST}"
        else:
            image, tag = image_and_tag(name.removeprefix(TAGS))
            shown = f"{image}:{tag}" if image else tag
        action = made if new is not None else "untag"
        eventlog.record(self.path, "image", action, new or old or "", {"name": shown})

    def writing(self) -> AbstractContextManager[int]:
        """Keep gc from dropping objects, until those that are written or relied on have a ref."""
        return self.lock("objects", shared=True, what=OBJECTS)

    def collecting(self) -> AbstractContextManager[int]:
        """Keep everybody from writing objects and moving refs."""
        return self.lock("objects", what=OBJECTS)

    def repacking(self, *, wait: bool = True) -> AbstractContextManager[int]:
        """Keep everybody from replacing packs; taken before `collecting` by whoever wants both."""
        return self.lock("repack", wait=wait, what="the list of packs")

    def config(self, key: str) -> str | None:
        """A value of the store's Git configuration, such as `user.name`; None where it has none.

        Read without the git program where the file, in whatever letters, says nothing of the
        section, nor of other files, as is usual.
        """
        said = (self.git_dir / "config").read_bytes().lower()
        if not any(word in said for word in (key.partition(".")[0].encode(), *_OTHER_FILES)):
            return None
        value = self.git.run(["config", "--get", key], ok=(0, 1)).decode(errors="surrogateescape")
        return value.removesuffix("\n") or None

    def lock(
        self, name: str, *, shared: bool = False, wait: bool = True, what: str
    ) -> AbstractContextManager[int]:
        """Hold one of the store's locks, be that for reading alone; see `locks.locked`."""
        path = self.path / "locks" / name
        return locked(path, shared=shared, wait=wait, reading=True, lasting=True, what=what)

    def layers_lock(self, *, shared: bool = False) -> AbstractContextManager[int]:
        """Hold the cache of layers; `shared`, until what is found in it has been mounted."""
        return self.lock("layers", shared=shared, what="the cache of layers")


def open_repository(path: Path | str) -> Repository:
    """Open the store at `path`.

    NoStore when there is none, NotAStore when something else is there or a later lxgit made it,
    StoreDenied when it is another user's, PermissionError when that cannot be told.
    """
    try:
        mode = _require_own(path)
    except FileNotFoundError:
        raise _none_at(path) from None
    except NotADirectoryError:
        raise NotAStore(f"'{path}' is not a directory", hint="--store names another one") from None
    if (
        mode & _OTHERS_WRITE
        and os.listdir(path)  # which anybody may have put there
        and _require_own(path) & _OTHERS_WRITE  # or who makes it, and has closed it before that
    ):
        raise StoreDenied(
            f"others can write to '{path}', so it is not taken for a store", hint=_closing(path)
        )
    try:
        with open(f"{path}/format", "rb") as file:
            owner, version = os.fstat(file.fileno()).st_uid, file.read()
    except FileNotFoundError:
        if _is_unfinished(path):
            raise _none_at(path) from None
        if os.path.exists(f"{path}/format"):  # it has just been finished; no link to nowhere
            return open_repository(path)
        raise NotAStore(
            f"'{path}' is not a store of lxgit's", hint="--store names another directory"
        ) from None
    if owner != os.geteuid():  # somebody has been given the directory alone
        raise StoreDenied(f"what is in '{path}' is not yours", hint="--store names another store")
    if version != FORMAT:
        raise NotAStore(
            f"the store at '{path}' has the format {quoted(version[:40])}",
            hint="use the lxgit that made it, or a newer one",
        )
    return Repository(path)


def _closing(path: Path | str) -> str:
    """What to do about a directory that others can write to: one's own store may be closed."""
    with suppress(OSError):
        format_of = os.open(f"{path}/format", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(format_of, "rb") as file:
            is_own = os.fstat(format_of).st_uid == os.geteuid() and file.read(99) == FORMAT
        if is_own:
            from lxgit.objects.shellwords import shell_line

            close = shell_line(("chmod", "go-w", os.fspath(path)))
            return f"'{close}' closes it, if you trust what is in it"
    return "--store names another directory; one that is empty will do"


def _none_at(path: Path | str) -> NoStore:
    return NoStore(
        f"there is no store at '{path}'",
        hint="'lxgit bootstrap trixie base' or 'lxgit import FILE base' makes one",
    )


def _require_own(path: Path | str) -> int:
    """The mode of a directory that is this process's user's, before anything of it is read.

    StoreDenied where it is another's.

    Its owner could have us write through links, and Git run what its configuration names; so root
    is refused as anybody is, as by Git (safe.directory in git-config(1)). To root, the files of a
    user's containers would have other owners besides. FileNotFoundError, NotADirectoryError.
    """
    status = os.stat(f"{path}/")
    owner = status.st_uid
    if owner == os.geteuid():
        return status.st_mode
    fault = f"the store at '{path}' is not yours"
    if owner == 0:
        raise StoreDenied(fault, hint="sudo lxgit …")
    hint = f"sudo -u '#{owner}' lxgit …; or another --store"
    raise StoreDenied(f"{fault}, but user {owner}'s", hint=hint)


def _is_unfinished(path: Path | str) -> bool:
    """Whether all that is there is what `create_repository` puts before it is done.

    Another's directory may have the same names in it, as /srv has `git`, with something in them.
    """
    return all(_is_begun(f"{path}/{name}", name) for name in os.listdir(path))


def _is_begun(path: str, name: str) -> bool:
    try:
        if os.lstat(path).st_uid != os.geteuid():
            return False
    except FileNotFoundError:  # who makes the store at this moment has given it its name
        return True
    if name == "git":
        from lxgit.objects.gitdir import is_ours

        return is_ours(path)
    if name in _DIRECTORIES:
        return os.path.isdir(path) and set(os.listdir(path)) <= {_CREATION}
    return name.startswith(("git.", "format.")) and name.endswith(".tmp")


def create_repository(path: Path | str) -> Repository:
    """Open the store at `path`, or make it, with mode 0700: layers hold setuid programs.

    Safe against a crash and against another process that makes it at the same moment.
    """
    try:
        return open_repository(path)
    except NoStore:
        pass
    make_directories(os.fspath(path), mode=0o700)
    _require_own(path)  # another may have been faster
    os.chmod(path, 0o700)
    try:
        return open_repository(path)  # now that nobody else can put anything there
    except NoStore:
        pass
    repository = Repository(path)
    for name in _DIRECTORIES:
        (repository.path / name).mkdir(mode=0o700, exist_ok=True)
    with repository.lock(_CREATION, what=f"the store '{path}'"):
        if not repository.git_dir.exists():
            from lxgit.objects.gitdir import init

            init(repository.git_dir)
        write_atomic(repository.path / "format", FORMAT)
    return repository
