"""A container's log: any bytes, in order, whole records or none."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lxgit.runtime import logfile
from lxgit.runtime.logfile import ERR, OUT, LogReader, LogWriter, Record, read_log
from lxgit.runtime.runplace import kernel_boot
from tests.support import disks, processes
from tests.support.rlimits import file_size
from tests.support.slowdisk import slow_disk
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

_STEP = 16 << 20  # bytes between two flushes

pieces = st.lists(st.tuples(st.sampled_from([OUT, ERR]), st.binary(min_size=1, max_size=50)))


def logged(path: Path) -> list[Record]:
    with path.open("rb") as stream:
        return list(read_log(stream))


@given(pieces)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[str, bytes]]
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    log = LogWriter(path)
    for stream, data in written:
        log.write(stream, data)
    log.close()
    records = logged(path)
    assert [(record.stream, record.data) for record in records] == written
    assert [record.time for record in records] == sorted(record.time for record in records)


def test_a_record_that_was_cut_short_ends_the_log(tmp_path: Path) -> None:
    log = LogWriter(tmp_path / "log")
    log.write(OUT, b"whole")
    log.write(OUT, b"not whole")
    log.close()
    os.truncate(tmp_path / "log", (tmp_path / "log").stat().st_size - 3)
    assert [record.data for record in logged(tmp_path / "log")] == [b"whole"]


def test_reading_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogWriter(path)
    with path.open("rb") as stream:
        assert list(read_log(stream)) == []
        log.write(OUT, b"first")
        whole = path.stat().st_size
        log.write(OUT, b"second")
        content = path.read_bytes()
        os.truncate(path, whole + 10)
        assert [record.data for record in read_log(stream)] == [b"first"]
        path.write_bytes(content)
        assert [record.data for record in read_log(stream)] == [b"second"]
    log.close()


TORN = {
    "half a record": b"1700000000000000000 out 60\nhalf",
    "half a header": b"17000000000000",
    "zeros": bytes(4096),
    "no length": b"1700000000000000000 out -1\nhalf",
    "more than any has": b"1700000000000000000 out 99999999999999999999\nhalf",
    "no stream": b"1700000000000000000 out2 4\nhalf",
    "a line": b"a line, and no record\n",
}


@pytest.mark.parametrize("torn", TORN.values(), ids=TORN.keys())
@pytest.mark.parametrize("before", [[], [b"first\n"], [b"x" * 60000] * 5])
def test_what_a_power_failure_tore_hides_nothing_that_comes_after(
    tmp_path: Path, torn: bytes, before: list[bytes]
) -> None:
    path = tmp_path / "log"
    for data in before:
        with closing(LogWriter(path)) as log:
            log.write(OUT, data)
    if path.exists():
        forget(path, "closed")  # it is of another boot
    whole = path.read_bytes() if before else b""
    path.write_bytes(whole + torn)
    with closing(LogReader(path)) as reader:
        assert [record.data for record in reader.records()] == before
        with closing(LogWriter(path)) as log:
            assert path.read_bytes() == whole
            log.write(OUT, b"last\n" + torn)
        assert [record.data for record in reader.records()] == [b"last\n" + torn]
    assert [record.data for record in logged(path)] == [*before, b"last\n" + torn]


@given(pieces, st.data())
def test_a_log_that_ends_anywhere_goes_on_behind_its_last_whole_record(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    for stream, text in written:
        with closing(LogWriter(path)) as log:
            log.write(stream, text)
    with path.open("ab") as file:
        file.truncate(data.draw(st.integers(0, file.tell())))
    kept = logged(path)
    with closing(LogWriter(path)) as log:
        log.write(ERR, b"more")
    assert [(record.stream, record.data) for record in logged(path)] == [
        *written[: len(kept)],
        (ERR, b"more"),
    ]


def noted(path: Path, kind: str = "flushed") -> bytes:
    """What is noted of a log: `flushed`, or `closed`."""
    attribute = f"user.lxgit.{kind}"
    return os.getxattr(path, attribute) if attribute in os.listxattr(path) else b""


def noted_place(path: Path) -> int:
    return int((noted(path) or b"0").split()[0])


def forget(path: Path, kind: str) -> None:
    if noted(path, kind):
        os.removexattr(path, f"user.lxgit.{kind}")


def test_where_a_large_log_ended_is_known_in_the_same_boot(scratch: Path) -> None:
    path = scratch / "log"
    with closing(LogWriter(path)) as log:
        log.write(OUT, b"x")
    assert not noted(path, "closed")  # so little is gone through
    with closing(LogWriter(path, 1 << 20)) as log:
        for _ in range(5):
            log.write(OUT, bytes(60000))
    content, note = path.read_bytes(), noted(path, "closed")
    place, header = last_record(path)
    assert note == b"%s %d %s" % (kernel_boot().encode(), place, header)
    path.write_bytes(b"?" + content[1:] + b"1 out 7\ntorn")  # a look at all of it would find that
    LogWriter(path).close()
    assert path.stat().st_size == len(content)
    of_another = b"%s %d %s" % (b"0" * 36, place, header)
    far = b"%s %d %s" % (kernel_boot().encode(), 10**30, header)
    for another in (b"", of_another, note[:-9], far, b"\0 1 1", b"- -1 1 out 1\n"):
        path.write_bytes(b"?" + content[1:])
        os.setxattr(path, "user.lxgit.closed", another)
        LogWriter(path).close()
        assert path.stat().st_size == 0


def last_record(path: Path) -> tuple[int, bytes]:
    """Where the last record of a log is, of 60,000 bytes or one, and its header."""
    content = path.read_bytes()
    header = content.rindex(b" out ")
    place = content.rindex(b"\0", 0, header) + 1
    return place, content[place : content.index(b"\n", header) + 1]


def test_what_is_noted_is_of_the_log_that_it_was_written_for(scratch: Path) -> None:
    path = scratch / "log"
    with closing(LogWriter(path, 1 << 20)) as log:
        for _ in range(5):
            log.write(OUT, bytes(60000))
    assert noted(path, "closed")
    killed = LogWriter(path, 1 << 19)
    for _ in range(5):
        killed.write(OUT, bytes(59999))
    assert noted(scratch / "log.1", "closed")
    assert not noted(path, "closed")
    LogWriter(path).close()
    assert len(logged(path)) == 5


def fill(path: Path, size: int, each: int = 0) -> LogWriter:
    """Have a log of so many bytes, in lives of `each` records, and who writes the last of them.

    However slow the disk is: it is given the time to take what is to be flushed.
    """
    log, flushed = LogWriter(path), 0
    for number in range(1, size // 60000 + 1):
        log.write(OUT, bytes(60000))
        if number * 60000 - flushed > _STEP + 100_000:
            flushed = next_flushed(path, flushed)
        if each and number % each == 0:
            log.close()
            log = LogWriter(path)
    return log


def next_flushed(path: Path, before: int = 0) -> int:
    """What is noted after that, once who has noted it is gone: until then no other flushes."""
    wait_until(lambda: noted_place(path) > before and not flushers(path))
    return noted_place(path)


def flushers(path: Path) -> set[int]:
    """The processes that have a log open, but for this one."""
    return processes.openers(path) - {os.getpid()}


@pytest.mark.parametrize("boot", [kernel_boot(), "0" * 36])
@pytest.mark.parametrize("each", [0, 200, 1])
def test_who_comes_after_a_kill_or_a_power_failure_goes_through_little(
    scratch: Path, boot: str, each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a log that grew in one life or many; a fault at its begin, which none has, is not seen."""
    path = scratch / "log"
    fill(path, 40 << 20, each)
    forget(path, "closed")  # it has been killed
    monkeypatch.setattr(logfile, "kernel_boot", lambda: boot)
    with path.open("r+b") as file:
        file.write(b"?")
        file.seek(0, os.SEEK_END)
        whole = file.tell()
        file.write(b"1 out 7\ntorn")
    LogWriter(path).close()
    assert path.stat().st_size == whole
    assert noted(path, "closed").startswith(boot.encode())


def test_who_has_the_log_on_the_disk_is_nobodys_child(scratch: Path) -> None:
    """So no zombie is left of it, and what it notes it notes though nothing more is printed."""
    path, before = scratch / "log", processes.children(os.getpid())
    with slow_disk(scratch / "gate") as let_go:
        killed = life(path, _STEP)
        assert processes.children(os.getpid()) <= before
        assert len(flushers(path)) == 1
        assert not noted(path)
        let_go()
        next_flushed(path)
    killed.close()


def life(path: Path, size: int) -> LogWriter:
    """Somebody who writes until a log has so many bytes."""
    log = LogWriter(path)
    while path.stat().st_size < size:
        log.write(OUT, bytes(60000))
    return log


def test_one_flush_at_a_time_so_that_no_older_note_comes_last(scratch: Path) -> None:
    path = scratch / "log"
    with slow_disk(scratch / "gate") as let_go:
        for number in (1, 2, 3):
            life(path, number * _STEP).close()
            wait_until((scratch / "gate").read_bytes)  # the first has begun before there are others
        wait_until(lambda: len(flushers(path)) == 1)  # the others have seen it, and gone
        let_go()
        first = next_flushed(path)
    assert first < _STEP
    with closing(LogWriter(path)) as log:  # it finds that another is due
        log.write(OUT, b"more")
    assert next_flushed(path, first) > 3 * _STEP


def test_a_flush_that_ends_late_notes_nothing_of_the_next_log(scratch: Path) -> None:
    path, before = scratch / "log", scratch / "log.1"
    with slow_disk(scratch / "gate") as let_go:
        with closing(LogWriter(path, 5 * _STEP // 2)) as log:
            while not before.exists():
                log.write(OUT, bytes(60000))
        let_go()
        next_flushed(before)
    assert not noted(path)


def test_a_flush_that_ends_late_hides_nothing_of_a_log_that_was_emptied(scratch: Path) -> None:
    path = scratch / "log"
    with slow_disk(scratch / "gate") as let_go:
        life(path, _STEP).close()
        os.truncate(path, 0)
        with closing(LogWriter(path)) as log:
            log.write(OUT, b"short")
        let_go()
        next_flushed(path)
    with path.open("ab") as file:
        file.write(b"1 out 7\ntorn")
    with closing(LogWriter(path)) as log:
        log.write(OUT, b"last")
    assert [record.data for record in logged(path)] == [b"short", b"last"]


@pytest.mark.root
def test_what_is_noted_as_flushed_is_on_the_disk(scratch: Path) -> None:
    """The power fails, and with the note all of the log up to it comes back."""
    kind = disks.Kind("ext4", disks.EXT4.make, 128, disks.EXT4.options)
    image = disks.make(kind, scratch / "disk")
    with disks.mounted(kind, image, scratch / "mounted") as place:
        fill(place / "log", 40 << 20).close()
        with (place / "another").open("wb") as file:
            os.fsync(file.fileno())  # has all changes of inodes come to the disk
        lost = disks.copy(image, scratch / "lost")
        written, flushed = (place / "log").read_bytes(), noted_place(place / "log")
    with disks.mounted(kind, lost, scratch / "again") as place:
        path = place / "log"
        assert noted_place(path) == flushed > _STEP
        assert path.read_bytes()[:flushed] == written[:flushed]
        LogWriter(path).close()
        assert len(path.read_bytes()) > flushed


def test_what_was_noted_before_a_life_is_not_where_a_log_ends_after_it(scratch: Path) -> None:
    """The user has emptied it, and whoever wrote to it next was killed."""
    path = scratch / "log"
    with closing(LogWriter(path)) as log:
        for _ in range(5):
            log.write(OUT, bytes(60000))
    os.truncate(path, 0)
    with closing(LogWriter(path)) as log:
        log.write(OUT, b"short")
    killed = LogWriter(path)
    for _ in range(5):
        killed.write(OUT, bytes(64000))
    LogWriter(path).close()
    assert len(logged(path)) == 6


@pytest.mark.root
def test_a_full_disk_loses_whole_records_only(tmp_path: Path) -> None:
    from lxgit.runtime import kernel

    kernel.mount("tmpfs", tmp_path, b"tmpfs", 0, b"size=16k")
    try:
        log = LogWriter(tmp_path / "log")
        for _ in range(10):
            log.write(OUT, b"x" * 3000)
        log.close()
        records = logged(tmp_path / "log")
        assert 1 <= len(records) < 10
        assert {record.data for record in records} == {b"x" * 3000}
    finally:
        kernel.umount(tmp_path)


@pytest.mark.root
def test_half_a_record_that_cannot_be_cut_off_goes_before_the_next(scratch: Path) -> None:
    """A disk that turns read-only may take neither: nobody who prints is ended by that."""
    path = scratch / "log"
    log = LogWriter(path)
    log.write(OUT, b"first")
    whole = path.stat().st_size
    subprocess.run(["chattr", "+a", path], check=True)
    try:
        with file_size(whole + 50):
            log.write(OUT, b"x" * 100)
        log.write(OUT, b"lost")
        assert path.stat().st_size == whole + 50
    finally:
        subprocess.run(["chattr", "-a", path], check=True)
    log.write(OUT, b"second")
    log.close()
    assert [record.data for record in logged(path)] == [b"first", b"second"]


@settings(max_examples=50)
@given(st.lists(st.integers(1, 400), max_size=40), st.integers(200, 2000), st.integers(1, 9))
def test_of_a_bounded_log_the_oldest_goes(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], size: int, every: int
) -> None:
    """Who reads along, however often, misses nothing, where all is within the bound."""
    path = tmp_path_factory.mktemp("log") / "log"
    log = LogWriter(path, size)
    reader = LogReader(path)
    written, read = [], []
    for number, length in enumerate(lengths):
        data = b"%d " % number + b"x" * length
        log.write(OUT, data)
        written.append(data)
        if number % every == 0:
            read += [record.data for record in reader.records()]
    read += [record.data for record in reader.records()]
    reader.close()
    with closing(LogReader(path)) as again:
        kept = [record.data for record in again.records()]
    on_disk = sum(file.stat().st_size for file in path.parent.iterdir())
    log.close()
    assert kept == written[len(written) - len(kept) :]
    assert on_disk <= size + 2 * 440
    if sum(len(data) + 40 for data in written) <= size:
        assert kept == written
    assert sum(map(len, kept)) >= min(sum(map(len, written)), size // 4) - 440
    assert read == [data for data in written if data in set(read)]
    if every == 1:
        assert read == written


def test_a_log_without_a_bound_is_one_file(tmp_path: Path) -> None:
    log = LogWriter(tmp_path / "log", None)
    for _ in range(100):
        log.write(OUT, b"x" * 1000)
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert len(logged(tmp_path / "log")) == 100
