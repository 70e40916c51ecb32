from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.catfile import cat_file
from lxgit.objects.database import MissingObject
from lxgit.objects.git import GitFailed

if TYPE_CHECKING:
    from lxgit.objects.git import Git
    from tests.support.stockgit import StockGit

CONTENTS = (b"", b"a\nb", b"\n", b"x missing\n", bytes(3_000_000))


@pytest.fixture
def oids(git: Git) -> list[bytes]:
    made = (git.run(["hash-object", "-w", "--stdin"], stdin=content) for content in CONTENTS)
    return [oid.strip() for oid in made]


def test_contents_come_in_the_order_they_were_asked_for(git: Git, oids: list[bytes]) -> None:
    with cat_file(git) as objects:
        assert tuple(objects.read(oids)) == CONTENTS
        assert list(objects.read([])) == []
        assert tuple(objects.read(oids[::-1])) == CONTENTS[::-1]


def test_any_number_at_once(git: Git, oids: list[bytes]) -> None:
    with cat_file(git) as objects:
        assert list(objects.read(oids[:4] * 1000)) == list(CONTENTS[:4] * 1000)


def test_it_can_be_left_early(git: Git, oids: list[bytes]) -> None:
    with cat_file(git) as objects:
        assert list(islice(objects.read(oids * 300), 2)) == [*CONTENTS[:2]]


def test_what_is_missing_is_told(git: Git, oids: list[bytes]) -> None:
    absent = b"12" * 20
    with cat_file(git) as objects, pytest.raises(MissingObject, match=absent.decode()):
        list(objects.read([oids[0], absent]))


def test_damage_is_told(git: Git, stock: StockGit) -> None:
    name = git.run(["hash-object", "-w", "--stdin"], stdin=os.urandom(100_000)).strip().decode()
    path = stock.git_dir / "objects" / name[:2] / name[2:]
    path.chmod(0o600)
    os.truncate(path, 50_000)
    with cat_file(git) as objects, pytest.raises(GitFailed, match=name):
        list(objects.read([name.encode()]))
