"""Containers that are a command's own, and what it does when it is ended while one runs."""

from __future__ import annotations

import os
import signal
from itertools import count
from typing import TYPE_CHECKING

import pytest

from lxgit.operations import discarding, launching
from lxgit.operations.containers import list_containers
from lxgit.operations.creating import RunRequest
from lxgit.operations.launching import ran
from lxgit.operations.values import Streams
from lxgit.runtime.lifetime import owning
from lxgit.runtime.supervisor import Supervisor
from tests.support.stores import WHO

if TYPE_CHECKING:
    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


@pytest.mark.timeout(60)
def test_neither_waits_for_the_other(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor sees its client hang up, and that its owner lives and may be dying."""
    inner, kills = Supervisor._signal, count()

    def second(supervisor: Supervisor, number: int) -> None:
        """Have the owner be heard before the container has ended, which it is to end itself."""
        if number != signal.SIGKILL or next(kills):
            inner(supervisor, number)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Supervisor, "_signal", second)
    monkeypatch.setattr(discarding, "_DYING", 3600)
    monkeypatch.setattr(launching, "_attached", interrupted)
    null = os.open(os.devnull, os.O_RDWR)
    try:
        with owning(lab.repository.scratch_dir) as owner:
            request = RunRequest(
                image="base", command=("sleep", "600"), owner=owner.name, name="own"
            )
            streams = Streams(None, null, null)
            one = ran(lab.repository, request, streams, identity=WHO, progress=lab.listener)
            with pytest.raises(KeyboardInterrupt), one:
                pass
            assert not list_containers(lab.repository, everything=True).rows
    finally:
        os.close(null)
