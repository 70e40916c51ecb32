"""Images that are not here, where no registry is either."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from lxgit.oci.skopeo import ANSWER_WITHIN, RegistryFailed
from lxgit.operations.pulling import PullRequest, pull
from lxgit.repository import create_repository
from tests.support import netns
from tests.support.stores import WHO, Listener

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root

HOLE = """
    link add hole type veth peer name beyond
    link set beyond up
    link set hole up
    address add 192.0.2.2/24 dev hole
    neighbour add 192.0.2.1 lladdr 02:00:00:00:00:01 dev hole
"""
"""A network where all goes in and nothing comes out."""


def test_a_registry_that_says_nothing_is_not_waited_for(store_dir: Path) -> None:
    with netns.fresh():
        for words in filter(None, map(str.strip, HOLE.splitlines())):
            subprocess.run(["ip", *words.split()], check=True)
        begun = time.monotonic()
        request = PullRequest("192.0.2.1:5000/base", answer_within=1)
        with pytest.raises(RegistryFailed, match=r"'192.0.2.1:5000' cannot be reached: "):
            pull(
                create_repository(store_dir),
                request,
                lambda _: None,
                identity=WHO,
                progress=Listener(),
            )
        assert 1 <= time.monotonic() - begun < ANSWER_WITHIN
