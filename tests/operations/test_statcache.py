"""What a container's files had in them is known without reading them, and is never wrong."""

from __future__ import annotations

import hashlib
import mmap
import os
import time
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.content import Below
from lxgit.operations.containers import remove_container
from lxgit.operations.launching import start_detached
from lxgit.operations.worktree import open_work_tree
from lxgit.runtime import statcache
from tests.operations.test_commit import changed, content
from tests.runtime.test_statcache import is_settled
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

PATH = b"srv/data"


@pytest.fixture
def web(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A container `c` with a few files, of which all that may be is noted."""
    lab.run(
        "c", "for i in 1 2 3; do echo $i > /srv/$i; ln /srv/$i /srv/l$i; done; echo a > /srv/data"
    )
    monkeypatch.setattr(statcache, "_WORTH", 0)
    time.sleep(statcache.TICK / 1e9)
    return lab


def data(lab: Lab) -> Path:
    """A file in the upper directory."""
    return lab.container("c").upper / os.fsdecode(PATH)


def reads(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What a look at the container reads; it must find what each file has in it now."""
    read: list[bytes] = []
    opened = Below.opened

    def told(self: Below) -> Iterator[int]:
        read.append(self.path)
        return opened(self)  # type: ignore[return-value]

    with monkeypatch.context() as patch:
        patch.setattr(Below, "opened", told)
        with open_work_tree(lab.repository, lab.container("c")) as tree:
            for path, node in tree.state.nodes.items():
                if node.content is not None:
                    there = (lab.container("c").upper / os.fsdecode(path)).read_bytes()
                    blob = hashlib.sha1(b"blob %d\0%b" % (len(there), there))
                    entry = tree.image.entry(path)
                    assert entry is not None
                    assert entry.oid == blob.digest()
    return read


def test_what_has_not_changed_is_not_read(web: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(reads(web, monkeypatch)) == 4
    assert reads(web, monkeypatch) == []
    os.truncate(data(web), 0)
    assert reads(web, monkeypatch) == [PATH]
    assert changed(web, "c")[PATH] == "A"


def test_who_sets_the_times_back_is_seen(web: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    reads(web, monkeypatch)
    before = data(web).stat()
    data(web).write_text("b\n")
    os.utime(data(web), ns=(before.st_atime_ns, before.st_mtime_ns))
    after = data(web).stat()
    assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)
    assert reads(web, monkeypatch) == [PATH]


def test_what_a_mapping_writes_is_seen(web: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(data(web), "r+b") as file:
        mapped = mmap.mmap(file.fileno(), 2)
    for letter in b"bcde":
        mapped[0] = letter  # only the first of these moves a time
        time.sleep(statcache.TICK / 1e9)
        assert PATH in reads(web, monkeypatch)
    mapped.close()
    reads(web, monkeypatch)
    assert reads(web, monkeypatch) == []


def test_what_was_only_hashed_is_written_by_a_commit(
    web: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads(web, monkeypatch)
    cache = web.container("c").path / "stat-cache"
    assert cache.exists()
    made = web.commit("c")
    assert content(web, f"{made.oid}:/srv/data") == b"a\n"
    assert not cache.exists()


def test_a_damaged_one_is_made_anew(web: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    reads(web, monkeypatch)
    cache = web.container("c").path / "stat-cache"
    content = cache.read_bytes()
    cache.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert len(reads(web, monkeypatch)) == 4
    assert reads(web, monkeypatch) == []


def test_a_running_one_has_files_open(web: Lab) -> None:
    """Through the overlay it is the file of the upper directory that is open for writing."""
    script = "[ -e /go ] || { touch /go; exit; }; echo x > /srv/shut; exec sleep 60 3<>/srv/data"
    web.run("r", script)
    start_detached(web.repository, "r", progress=web.listener)
    try:
        upper = web.container("r").upper / "srv"
        wait_until((upper / "data").exists)
        time.sleep(statcache.TICK / 1e9)
        assert [is_settled(upper / name) for name in ("shut", "data")] == [True, False]
    finally:
        remove_container(web.repository, "r", force=True)
