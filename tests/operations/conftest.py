"""A store with a busybox image, and sessions in real containers."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.operations.committing import CommitRequest, commit
from lxgit.operations.containerrows import row_of
from lxgit.operations.creating import RunRequest
from lxgit.operations.importing import import_image
from lxgit.operations.launching import run, start
from lxgit.operations.values import Streams
from lxgit.repository import Repository, create_repository
from tests.support.stores import WHO, Listener, find, stock_fsck

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    from lxgit.operations.containerrows import ContainerRow
    from lxgit.operations.values import Committed
    from lxgit.runtime.containers import Container


class Lab:
    """A repository and short words for what people do in it."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.listener = Listener()

    def take(self, root: Path, name: str) -> None:
        import_image(self.repository, root, name, identity=WHO, progress=self.listener)

    def run(self, name: str, script: str, image: str | None = "base") -> tuple[int, str]:
        """Run a shell script in a new container called `name`: exit code and output."""
        request = RunRequest(image=image, command=("sh", "-c", script), name=name)
        return self._session(
            lambda streams: run(
                self.repository,
                request,
                streams,
                identity=WHO,
                progress=self.listener,
            )
        )

    def start(self, name: str) -> tuple[int, str]:
        return self._session(
            lambda streams: start(
                self.repository,
                name,
                streams,
                interactive=False,
                progress=self.listener,
            )
        )

    @staticmethod
    def _session(call: object) -> tuple[int, str]:
        assert callable(call)
        read, write = os.pipe()
        null = os.open(os.devnull, os.O_RDWR)
        try:
            code = call(Streams(null, write, write))
        finally:
            os.close(write)
            os.close(null)
            with open(read, encoding="utf-8") as pipe:
                said = pipe.read()
        return code, said

    def commit(
        self, container: str | None = None, name: str | None = None, **more: Any
    ) -> Committed:
        request = CommitRequest(container, name, **more)
        return commit(self.repository, request, "a change\n", identity=WHO, progress=self.listener)

    def container(self, name: str) -> Container:
        return find(self.repository.containers_dir, name)

    def row(self, name: str) -> ContainerRow:
        return row_of(self.container(name))

    def tip(self, branch: str) -> str | None:
        oid = self.repository.refs.read(f"refs/heads/{branch}")
        return oid.hex() if oid is not None else None


@pytest.fixture
def lab(store_dir: Path, busybox_rootfs: Path) -> Iterator[Lab]:
    """A store with busybox on `base`; at the end stock Git finds nothing wrong with it."""
    made = Lab(create_repository(store_dir))
    made.take(busybox_rootfs, "base")
    yield made
    assert stock_fsck(made.repository) == ""
    made.repository.objects.close()


@pytest.fixture
def repository(store_dir: Path) -> Repository:
    """A store with nothing in it."""
    return create_repository(store_dir)


@pytest.fixture(scope="module")
def spotless(module_directory: Path) -> Repository:
    """A store for what is refused: it stays without anything in it."""
    return create_repository(module_directory / "spotless")


@contextmanager
def killed_behind(monkeypatch: pytest.MonkeyPatch, module: ModuleType, step: str) -> Iterator[None]:
    """Who calls that function of a module does what it does, and is killed; it must be called."""
    inner = getattr(module, step)

    def crash(*arguments: object, **more: object) -> None:
        inner(*arguments, **more)
        pytest.fail("killed", pytrace=False)

    with monkeypatch.context() as patch:
        patch.setattr(module, step, crash)
        with pytest.raises(pytest.fail.Exception, match="killed"):
            yield
