"""Loading images that a test has written: what comes, or the words in which it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lxgit.errors import LxgitError
from lxgit.operations.loading import LoadRequest, load
from tests.support.archives import DIRECTORY, Archive
from tests.support.layouts import Layout, named
from tests.support.stores import WHO, Listener

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.repository import Repository

PLAIN = Archive().add("etc", DIRECTORY).add("etc/hosts", content=b"localhost").raw()


def loaded(repository: Repository, path: Path, **wishes: Any) -> list[str]:
    """The names of what has come."""
    request = LoadRequest(path, **wishes)
    return [one.name for one in load(repository, request, identity=WHO, progress=Listener())]


def refused(repository: Repository, path: Path, fault: str, **wishes: Any) -> None:
    """The image is refused in so many words, and nothing of it is left."""
    with pytest.raises(LxgitError) as caught:
        loaded(repository, path, **wishes)
    message = caught.value.message
    assert fault in message
    assert "\n" not in message
    assert len(message) < 500
    assert not list(repository.git_dir.glob("objects/pack/*"))
    assert not list(repository.git_dir.glob("objects/??/*"))
    assert not list(repository.scratch_dir.iterdir())
    assert not list(repository.layers_dir.iterdir())
    assert not repository.refs.list()


def layers(place: Path, *tars: bytes, **config: Any) -> Path:
    """Write a layout of an image of these layers, called `it`."""
    layout = Layout(place)
    return layout.index(named(layout.manifest(tars, **config), "it"))
