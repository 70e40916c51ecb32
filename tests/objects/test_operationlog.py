"""The log of what moved refs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lxgit.objects.operationlog import Moved, OperationLog

if TYPE_CHECKING:
    from pathlib import Path

A, B, C = "a" * 40, "b" * 40, "c" * 40
BASE, TUNED = "refs/heads/base", "refs/heads/tuned"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "operations"


@pytest.fixture
def log(path: Path) -> OperationLog:
    return OperationLog(path, path.with_name("lock"))


def test_changes_of_a_command_belong_together(log: OperationLog) -> None:
    assert log.read() == ([], [])
    log.record(TUNED, None, A, "branch: Created", 5)
    log.record("HEAD", BASE, TUNED, "checkout:\tmoving\nfrom base", 5)
    log.next_operation()
    log.record(BASE, A, B, "commit: \udcff", 6)
    done, undone = log.read()
    assert undone == []
    assert [operation.moved for operation in done] == [
        (
            Moved(TUNED, None, A, "branch: Created"),
            Moved("HEAD", BASE, TUNED, "checkout: moving from base"),
        ),
        (Moved(BASE, A, B, "commit: \udcff"),),
    ]
    assert [operation.time for operation in done] == [5, 6]


def test_the_net_of_an_operation(log: OperationLog) -> None:
    log.record(BASE, A, B, "one", 1)
    log.record(TUNED, None, A, "two", 1)
    log.record(BASE, B, C, "three", 1)
    log.record(TUNED, A, None, "four", 1)
    (operation,) = log.read()[0]
    assert operation.net() == [Moved(BASE, A, C, "one")]


def test_what_a_name_was_last(log: OperationLog) -> None:
    assert log.last_value(BASE) is None
    for name, old, new in ((BASE, None, A), (BASE, A, B), (TUNED, None, C), (BASE, B, None)):
        log.next_operation()
        log.record(name, old, new, "", 1)
    assert (log.last_value(BASE), log.last_value(TUNED)) == (B, C)


def test_undone_and_redone(log: OperationLog) -> None:
    for old, new in ((None, A), (A, B)):
        log.next_operation()
        log.record(BASE, old, new, f"to {new[0]}", 1)
    first, second = log.read()[0]
    log.next_operation("undo", second.id)
    log.record(BASE, B, A, "undo", 2)
    begun = second._replace(begun="undo")
    assert log.read() == ([first, begun], [begun])  # it has not ended
    log.finish(2)
    assert log.read() == ([first], [second])
    log.next_operation("undo", first.id)
    log.finish(2)
    assert log.read() == ([], [second, first])
    log.next_operation("redo", first.id)
    log.record(BASE, None, A, "redo", 2)
    begun = first._replace(begun="redo")
    assert log.read() == ([begun], [second, begun])
    log.finish(2)
    assert log.read() == ([first], [second])
    log.next_operation()
    log.record(BASE, A, C, "other", 3)
    done, undone = log.read()
    assert [operation.moved[0].message for operation in done] == ["to a", "other"]
    assert undone == []


@pytest.mark.parametrize("torn", [b"0123", b"\0\0\0\0", b"a\tb\tc\td\te\tf", b"a\t1\tHEAD\tx"])
def test_a_line_that_a_crash_has_torn_is_none(log: OperationLog, path: Path, torn: bytes) -> None:
    log.record(BASE, None, A, "one", 1)
    with path.open("ab") as file:
        file.write(torn)
    assert len(log.read()[0]) == 1
    log.next_operation()
    log.record(BASE, A, B, "two", 1)
    assert [operation.moved[0].message for operation in log.read()[0]] == ["one", "two"]


def test_it_does_not_grow_for_ever(log: OperationLog, path: Path) -> None:
    path.write_text("".join(f"{at:016x}\t1\t{BASE}\t{A}\t{B}\tmany\n" for at in range(9000)))
    log.record(BASE, B, C, "last", 2)
    assert path.read_text().count("\n") == 2000
    assert log.read()[0][-1].moved[0].message == "last"


def test_of_a_large_operation_nothing_goes(log: OperationLog, path: Path) -> None:
    """Neither while it is done, nor before its undo is whole and can be done again."""
    log.record(TUNED, None, A, "small", 1)
    log.next_operation()
    log.record("refs/tags/t", A, None, "large", 2)
    key = path.read_text().splitlines()[1].partition("\t")[0]
    with path.open("a") as file:
        file.writelines(f"{key}\t2\trefs/tags/{at}\t{A}\t-\tlarge\n" for at in range(15_000))
    log.record("refs/tags/u", A, None, "large", 2)
    small, large = log.read()[0]
    assert (len(small.moved), len(large.moved)) == (1, 15_002)
    log.next_operation("undo", large.id)
    log.record("refs/tags/t", None, A, "undo: large", 3)
    assert log.read() == ([begun := large._replace(begun="undo")], [begun])
    log.finish(3)
    assert log.read() == ([], [large])


LINES = {
    "a branch": (BASE, A, B, "checkout: moving from base to 0123456789"),
    "HEAD": ("HEAD", "refs/heads/I)Jä", TUNED, "checkout: moving from I)Jä to tuned"),
    "a container": (f"containers/{A}", f"{A},base", f"{B}:{C},", "reset: to *(base)"),
    "an end": ("-", None, None, "done"),
}


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("line", LINES)
def test_a_line_that_is_damaged_is_none(log: OperationLog, path: Path, line: str, bit: int) -> None:
    """Also where a tab or an end of a line is there now that was not, or is not that was."""
    log.record(BASE, None, A, "one", 1)
    log.next_operation("undo", "0" * 16) if line == "an end" else log.next_operation()
    log.record(*LINES[line], 1_700_000_000)
    done = log.read()[0]
    content = path.read_bytes()
    assert log.faults() == []
    for at in range(content.index(b"\n") + 1, len(content)):
        flipped = bytes([content[at] ^ 1 << bit])
        path.write_bytes(content[:at] + flipped + content[at + 1 :])
        if flipped == b"\n" and at > content.rindex(b"\t", 0, -10):  # the message is shorter
            (moved,) = log.read()[0][1].moved
            assert moved._replace(message=LINES[line][3]) == Moved(*LINES[line])
        else:
            assert log.read()[0] == [done[0]._replace(damaged=True)]
        assert log.faults() == [3 if flipped == b"\n" else 2], (at, flipped)
    path.write_bytes(content)
    assert log.read()[0] == done


@pytest.mark.parametrize("bit", range(8))
def test_a_damaged_first_line_is_none(log: OperationLog, path: Path, bit: int) -> None:
    """It looks like one of before there was a checksum, where a tab is missing."""
    log.record(*LINES["a branch"], 1_700_000_000)
    log.next_operation()
    log.record(BASE, A, B, "two", 1)
    content = path.read_bytes()
    second = log.read()[0][1:]
    for at in range(content.index(b"\n")):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
        assert log.read()[0] == [second[0]._replace(damaged=True)]
        assert log.faults()


@pytest.mark.parametrize("place", range(4))
def test_whose_line_is_damaged(log: OperationLog, path: Path, place: int) -> None:
    """That one is not to be undone by half; where nothing tells whose it was, those beside it."""
    for name in "1234":
        log.next_operation()
        log.record(f"refs/heads/{name}", None, A, "", 1)
        log.record(f"refs/heads/{name}", A, B, "", 1)
    lines = path.read_bytes().splitlines()
    lines[2 * place] = lines[2 * place].replace(b"\t1\t", b"\t2\t")
    path.write_bytes(b"\n".join([*lines, b""]))
    assert [one.damaged for one in log.read()[0]] == [at == place for at in range(4)]
    lines[2 * place] = b"!" + lines[2 * place]
    path.write_bytes(b"\n".join([*lines, b""]))
    assert [one.damaged for one in log.read()[0]] == [at in (place - 1, place) for at in range(4)]


def test_whether_it_was_undone_is_damaged(log: OperationLog, path: Path) -> None:
    log.record(BASE, None, A, "one", 1)
    (one,) = log.read()[0]
    log.next_operation("undo", one.id)
    log.record(BASE, A, None, "undo: one", 2)
    path.write_bytes(path.read_bytes().replace(b"\t2\t", b"\t3\t"))
    assert log.read() == ([one._replace(damaged=True)], [])


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("zeros", [0, 1, 300])
def test_what_a_crash_has_torn_is_not_damaged(
    log: OperationLog, path: Path, line: str, zeros: int
) -> None:
    """A line may end anywhere, and have zeros from there to the end of the file."""
    log.record(*LINES[line], 1_700_000_000)
    content = path.read_bytes()
    for size in range(len(content) - 1):
        path.write_bytes(content + content[:size] + bytes(zeros))
        assert log.faults() == []
        path.write_bytes(content + content[:size] + bytes(zeros) + b"\n" + content)
        assert log.faults() == []
    path.write_bytes(content[:9] + bytes(4096) + content[20:] + content)
    assert log.faults() == []


def test_lines_of_a_version_without_checksums(log: OperationLog, path: Path) -> None:
    """It may work beside this one: what it did would be passed over, and another thing undone."""
    path.write_text(f"{'0' * 16}\t1\t{BASE}\t{A}\t{B}\tone\n")
    log.record(BASE, B, C, "two", 2)
    with path.open("a") as file:
        file.write(f"{'1' * 16}\t1\t{BASE}\t{C}\t{A}\tthree\n")
    assert [operation.message for operation in log.read()[0]] == ["one", "two", "three"]
    assert log.faults() == []


def test_a_line_that_was_torn_in_its_message_never_came_to_be(
    log: OperationLog, path: Path
) -> None:
    """As one that is whole, of a command that was killed before it moved the ref."""
    log.record(BASE, A, B, "checkout: moving", 1)
    whole = path.read_bytes()
    log.next_operation()
    log.record(BASE, A, C, "two", 2)
    second = path.read_bytes()[len(whole) :]
    for size in range(len(whole) - 1):
        path.write_bytes(whole[:size] + bytes(300) + b"\n" + second)
        assert len(log.read()[0]) == 1
        path.write_bytes(whole[:size] + b"\n" + second)
        *torn, last = log.read()[0]
        assert last.moved == (Moved(BASE, A, C, "two"),)
        assert all(one.moved[0][:3] == (BASE, A, B) for one in torn)
        assert log.faults() == []
