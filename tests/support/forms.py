"""Base layers in a form that the test chooses, whatever the host would take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lxgit.runtime import baselayer, erofs_mount
from lxgit.runtime.layers import DIRECTORY, EROFS

if TYPE_CHECKING:
    from collections.abc import Callable

FILE, LOOP = "file", "loop"
"""The two ways to mount the EROFS form."""

FORMS = [
    pytest.param(FILE, marks=pytest.mark.erofs),
    pytest.param(LOOP, marks=pytest.mark.erofs),
    DIRECTORY,
]


def force(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """Let this process and those it forks write and mount base layers in that form alone."""
    ways: dict[str, tuple[Callable[[int, int], int], ...]] = {
        FILE: (erofs_mount.by_file,),
        LOOP: (erofs_mount.by_loop,),
        DIRECTORY: (),
    }
    chosen = ways[form]
    monkeypatch.setattr(erofs_mount, "ways", lambda: chosen)
    monkeypatch.setattr(baselayer, "base_form", lambda _: EROFS if chosen else DIRECTORY)
