"""The cache of what files had in them: its file, and that no answer of it is wrong."""

from __future__ import annotations

import errno
import mmap
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from lxgit.objects.content import Below, Stamp, stamp_of
from lxgit.objects.ids import ObjectID
from lxgit.runtime import statcache
from lxgit.runtime.runplace import kernel_boot
from lxgit.runtime.statcache import StatCache, Watched
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

_NUMBER = st.integers(0, 2**64 - 1)
_TIME = st.integers(-(2**63), 2**63 - 1)
_KNOWN = st.dictionaries(
    st.builds(Stamp, _NUMBER, _NUMBER, _TIME, _TIME),
    st.binary(min_size=20, max_size=20).map(ObjectID),
    max_size=5,
)
ONE, OTHER = Stamp(1, 5 << 20, 3, 4), Stamp(2, 0, -3, -4)
A, B = ObjectID(b"a" * 20), ObjectID(b"b" * 20)


@given(_KNOWN)
def test_what_is_written_is_read(known: dict[Stamp, ObjectID]) -> None:
    data = statcache._encoded(known)
    assert statcache._decoded(data) == known
    assert statcache._encoded(dict(reversed(known.items()))) == data
    assert len(data) == 19 + 37 + 52 * len(known) + 20


def test_what_is_damaged_is_none() -> None:
    data = statcache._encoded({ONE: A, OTHER: B})
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 4
        assert statcache._decoded(bytes(damaged)) == {}
        assert statcache._decoded(data[:position]) == {}
    boot = kernel_boot().encode()
    for this, another in ((b"cache 2", b"cache 3"), (boot, boot[::-1])):
        changed = data[:-20].replace(this, another)
        assert statcache._decoded(changed + statcache._digest(changed)) == {}


def filled(place: Path, known: dict[Stamp, ObjectID]) -> None:
    cache = StatCache.of(place)
    for stamp, oid in known.items():
        cache.add(stamp, oid)
    cache.save(place)


def test_it_holds_what_was_asked_for_alone(tmp_path: Path) -> None:
    filled(tmp_path, {OTHER: B})
    assert not os.listdir(tmp_path)  # so little is read as quickly
    filled(tmp_path, {ONE: A, OTHER: B, OTHER._replace(inode=3): B})
    cache = StatCache.of(tmp_path)
    assert [cache.find(ONE), cache.find(OTHER._replace(ctime=0))] == [A, None]
    cache.save(tmp_path)
    assert StatCache.of(tmp_path).find(OTHER) is None
    assert os.listdir(tmp_path) == ["stat-cache"]
    statcache.forget(tmp_path)
    statcache.forget(tmp_path)
    assert not os.listdir(tmp_path)


def test_a_full_disk_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(statcache, "write_atomic", full)
    filled(tmp_path, {ONE: A})
    assert not os.listdir(tmp_path)


@contextmanager
def below(path: Path) -> Iterator[Watched]:
    """A file as `scan` would find it now."""
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Watched(Below(fd, os.fsencode(path.name), stamp_of(os.stat(path))))
    finally:
        os.close(fd)


def is_settled(path: Path) -> bool:
    with below(path) as watched:
        assert watched.whole() == b"".join(watched.chunks()) == path.read_bytes()
        return watched.settled


def test_what_may_change_unseen_is_not_settled(scratch: Path) -> None:
    path = scratch / "file"

    def is_looked_at_in_time() -> bool:  # a busy machine may let a tick pass
        path.write_bytes(b"one")
        return not is_settled(path)

    wait_until(is_looked_at_in_time)
    time.sleep(statcache.TICK / 1e9)
    assert is_settled(path)
    with open(path, "r+b") as file:
        assert not is_settled(path)
        mapped = mmap.mmap(file.fileno(), 3)
    assert not is_settled(path)
    mapped.close()
    assert is_settled(path)


def test_a_whole_second_may_have_lost_its_fraction() -> None:
    def is_asked_in_time() -> bool:  # of a second's last moments it is soon true
        now = time.time_ns()
        return not statcache._is_past(now - now % 1_000_000_000)

    wait_until(is_asked_in_time)
    now = time.time_ns()
    assert statcache._is_past(now - now % 1_000_000_000 - 2_000_000_000)
    assert statcache._is_past(now - statcache.TICK - 1 + (not (now - statcache.TICK - 1) % 10**9))
