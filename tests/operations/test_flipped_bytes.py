"""Bytes flipped anywhere in a store: fsck finds them.

What it cannot know of is listed here, with the reason.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.ids import from_hex
from lxgit.repository import Repository
from tests.operations.test_fsck_damage import grown, grown_store
from tests.support.stores import flip, problems

if TYPE_CHECKING:
    from tests.operations.conftest import Lab

__all__ = ["grown", "grown_store"]  # fixtures

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


def is_covered(name: str) -> bool:
    """Whether a file is one that fsck answers for."""
    parts = name.split("/")
    if parts[0] == "containers":
        # What a container printed and what it changed and nobody committed: there is nothing to
        # compare them with.
        return parts[-1] in ("config.json", "state.json")
    # Locks, unfinished files and old news (`events`) are without meaning; `packed` and `.probed`
    # are hints, at worst something is done again; of reflogs, texts and times; of the
    # configuration, comments and blanks; of a layer's record, how many entries there are, and which
    # ids above 65,535.
    return (
        parts[0] not in ("events", "locks", "tmp")
        and not name.startswith((".probed", "packed", "git/logs/", "git/config"))
        and not name.endswith("layer.json")
    )


@pytest.mark.scale
def test_flipped_bytes(grown: Lab) -> None:
    """One bit in a file anywhere, a hundred times, with a seed."""
    chance = random.Random(3)
    store = grown.repository.path
    files = [
        os.path.relpath(os.path.join(directory, name), store)
        for directory, _, names in os.walk(store)
        for name in names
        if not os.path.islink(os.path.join(directory, name))
    ]
    files = sorted(name for name in files if is_covered(name) and (store / name).stat().st_size)
    covered = {"containers", "format", "git", "layers", "operations"}
    assert {name.split("/")[0] for name in files} == covered
    missed = []
    for number in range(100):
        name = files[number] if number < len(files) else chance.choice(files)
        before = (store / name).read_bytes()
        at, mask = chance.randrange(len(before)), 1 << chance.randrange(8)
        flip(store / name, at, mask)
        if not problems(store):
            missed.append((name, at, mask))
        flip(store / name, at, mask)
        assert (store / name).read_bytes() == before
    assert missed == []
    assert problems(store) == []


def test_flipped_bytes_that_may_be_harmless(grown: Lab) -> None:
    """Of files that are covered in part, what is not found changes nothing that anybody sees."""
    chance = random.Random(4)
    store = grown.repository.path
    shown = everything(grown)
    patterns = ("git/logs/**/*", "git/config", "layers/*/layer.*", "packed")
    files = sorted(path for each in patterns for path in store.glob(each) if path.is_file())
    found = 0
    for _ in range(60):
        path = chance.choice(files)
        size = path.stat().st_size
        if not size:
            continue
        at, mask = chance.randrange(size), 1 << chance.randrange(8)
        flip(path, at, mask)
        if problems(store):
            found += 1
        else:
            assert everything(grown) == shown, (path, at, mask)
        flip(path, at, mask)
    assert found
    assert problems(store) == []


def everything(lab: Lab) -> object:
    """The refs, and what every image holds."""
    repository = Repository(lab.repository.path)
    refs = {name: oid.hex() for name, oid in repository.refs.list().items()}
    said = repository.git.run(["rev-list", "--all", "--objects"])
    repository.objects.close()
    return refs, said, from_hex(said[:40])
