"""What a push tells of beside the image, what it notes, and how long it waits."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from lxgit.locks import LockHeld
from lxgit.oci import skopeo
from lxgit.operations import pushing
from lxgit.operations.importing import import_image
from lxgit.operations.saving import save_directory
from tests.support.odd import Swallowing, serving
from tests.support.stores import WHO, Listener

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.repository import Repository
    from tests.operations.conftest import Lab
    from tests.support.registry import Registry

pytestmark = pytest.mark.root


def test_more_layers_than_docker_runs(
    lab: Lab, open_registry: Registry, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "_MOST_LAYERS", 2)
    for number in range(3):
        (scratch / "root").mkdir(exist_ok=True)
        (scratch / "root/file").write_text(str(number))
        import_image(lab.repository, scratch / "root", "long", identity=WHO, progress=lab.listener)
    told = {}
    for squash in (False, True):
        listener = Listener()
        name = f"{open_registry.host}/long"
        pushing.push(lab.repository, name, None, squash=squash, environment={}, progress=listener)
        told[squash] = listener.warnings
    assert told == {
        False: ["the image has 3 layers, and Docker runs 2 at most: --squash makes one of them"],
        True: [],
    }


class _Collecting(Listener):
    """Tries to drop objects while layers are written, and while they are sent."""

    def __init__(self, repository: Repository) -> None:
        super().__init__()
        self._repository = repository
        self.could: dict[str, bool] = {}

    def phase(self, label: str, total: int | None = None) -> None:
        super().phase(label, total)
        doing = label.partition(" ")[0]
        try:
            with self._repository.lock("objects", wait=False, what="the objects"):
                self.could[doing] = True
        except LockHeld:
            self.could[doing] = False


def test_gc_waits_until_all_is_read(lab: Lab, scratch: Path, open_registry: Registry) -> None:
    (scratch / "root").mkdir()
    import_image(lab.repository, scratch / "root", "base", identity=WHO, progress=lab.listener)
    listener = _Collecting(lab.repository)
    save_directory(lab.repository, ["base"], scratch / "saved", progress=listener)
    assert listener.could == {"Writing": False}
    name = f"{open_registry.host}/base"
    pushing.push(lab.repository, name, None, environment={}, progress=listener)
    assert listener.could == {"Writing": False, "Pushing": True}


def test_a_registry_that_says_nothing(lab: Lab, scratch: Path) -> None:
    """It is asked before a layer is written; how long is `ANSWER_WITHIN`, and no longer."""
    (scratch / "root").mkdir()
    import_image(lab.repository, scratch / "root", "base", identity=WHO, progress=lab.listener)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        name = f"127.0.0.1:{silent.getsockname()[1]}/base"
        with pytest.raises(skopeo.RegistryFailed, match="cannot be reached"):
            pushing.push(
                lab.repository,
                name,
                None,
                answer_within=1,
                environment={},
                progress=lab.listener,
            )
    assert not (lab.repository.path / "layer-notes").exists()


def test_a_registry_that_does_not_come_to_an_end(
    lab: Lab, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skopeo, "_DIGESTING", 0.5)
    (scratch / "root").mkdir()
    import_image(lab.repository, scratch / "root", "base", identity=WHO, progress=lab.listener)
    with serving(handler=Swallowing) as server:
        name = f"{server.host}/base"
        with pytest.raises(skopeo.RegistryFailed, match="has done nothing for 0 seconds"):
            pushing.push(lab.repository, name, None, environment={}, progress=lab.listener)


def test_notes_of_layers(lab: Lab, scratch: Path, open_registry: Registry) -> None:
    """What is noted is not written, but where it is wanted; a damaged note is none."""
    (scratch / "root").mkdir()
    (scratch / "root/file").write_bytes(bytes(range(256)) * 100)
    import_image(lab.repository, scratch / "root", "small", identity=WHO, progress=lab.listener)

    def push(path: str) -> str:
        return pushing.push(
            lab.repository,
            "small",
            f"{open_registry.host}/{path}",
            environment={},
            progress=lab.listener,
        ).digest

    first = push("x")
    notes = lab.repository.path / "layer-notes"
    text = notes.read_text()
    header, line = text.splitlines()
    assert push("x") == push("x:again") == first
    assert open_registry.uploads() == 2
    assert push("y") == first  # the whole of it, although it is noted
    assert open_registry.uploads() >= 4
    assert notes.read_text() == text
    notes.write_text(f"{header}\n{line.replace(line[-20], '?')}\n{line[:-9]}")
    assert push("x:damaged") == first
    assert notes.read_text().count(line) == 1
    notes.write_text(f"lxgit layer notes 1, another library\n{line}\n")
    push("x:other")
    assert notes.read_text() == text
