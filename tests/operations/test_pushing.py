"""What a push tells of beside the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lxgit.operations import pushing
from lxgit.operations.importing import import_image
from tests.support.stores import WHO, Listener

if TYPE_CHECKING:
    from pathlib import Path

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
