"""What a supervisor and its clients say to each other, over a SOCK_SEQPACKET Unix socket.

Each packet is one message: a letter, then its content.

    to the supervisor
        i DATA                  input
        e                       end of input
        w ROWS COLUMNS          window size, 2 × uint16
        s NUMBER                send this signal to the command, uint8
        p PAUSED                stand still from now on, or no more: uint8, 1 or 0
        h                       stand still until I let go, or hang up
        l                       I let go
        q HOW                   no restart policy starts it when it has ended: uint8, the sum of
                                1, nor after a reboot: it is a user's wish, and of
                                2, nor is it deleted then, as it else would be
        X COMMAND               execute another command, and attach me to it (wanted.py)
    to a client
        n TEXT                  something will not be quite as it was asked for; before R
        R                       the command has been started
        F CODE TEXT NUL HINT    it could not be; CODE is the exit code, uint8
        z                       it is not executed, since the container stands still
        o DATA                  standard output, or the terminal's
        r DATA                  standard error
        a COUNT                 so many bytes of input have been taken, uint32
        k                       what was asked for with s, p, h, l or q has been done
        x CODE                  it has ended, with this exit code, uint8

A client has at most WINDOW bytes of input under way that no `a` has answered: so a program that
does not read its input holds up nothing but input. Integers are little-endian.
"""

from __future__ import annotations

import struct

from lxgit.errors import LxgitError, in_words
from lxgit.tuples import NamedTuple

INPUT, END_OF_INPUT, RESIZE, SIGNAL, EXECUTE = b"i", b"e", b"w", b"s", b"X"
STARTED, FAILED, OUTPUT, ERRORS, TAKEN, ENDED = b"R", b"F", b"o", b"r", b"a", b"x"
WARNING = b"n"
PAUSE, HOLD, LET_GO, FOR_GOOD = b"p", b"h", b"l", b"q"
STANDS_STILL = b"z"
DONE = b"k"

_BY_USER, _STAYS = 1, 2

CHUNK = 65536  # bytes of data in one message at most
MAX_MESSAGE = CHUNK + 1
WINDOW = 4 * CHUNK


class StartFailed(LxgitError):
    """The container did not start; `exit_code` is 125, 126 or 127, as with Docker."""

    def __init__(self, message: str, *, hint: str | None, exit_code: int) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


class Message(NamedTuple):
    """One packet, taken apart."""

    kind: bytes
    data: bytes

    @classmethod
    def of(cls, packet: bytes) -> Message:
        """An empty packet is the end of the connection: a kind of b""."""
        return cls(packet[:1], packet[1:])

    def number(self) -> int:
        """The content as an unsigned integer."""
        return int.from_bytes(self.data, "little")

    def size(self) -> tuple[int, int]:
        """The content as (rows, columns)."""
        rows, columns = struct.unpack("<HH", self.data)
        return rows, columns


def resize(size: tuple[int, int]) -> bytes:
    """The message of a window size."""
    return RESIZE + struct.pack("<HH", *size)


def signal(number: int) -> bytes:
    """The message that sends a signal."""
    return SIGNAL + bytes([number])


def for_good(*, by_user: bool, stays: bool) -> bytes:
    """The message that ends what a restart policy does."""
    return FOR_GOOD + bytes([_BY_USER * by_user + _STAYS * stays])


def how_for_good(message: Message) -> tuple[bool, bool]:
    """`by_user` and `stays` of such a message."""
    return bool(message.number() & _BY_USER), bool(message.number() & _STAYS)


def pause(*, paused: bool) -> bytes:
    """The message that has the container stand still, or go on."""
    return PAUSE + bytes([paused])


def taken(count: int) -> bytes:
    """The message that answers input."""
    return TAKEN + count.to_bytes(4, "little")


def warning(words: str) -> bytes:
    """The message of what is to be told before the command begins."""
    return WARNING + words.encode("utf-8", "surrogateescape")[:CHUNK]


def ended(exit_code: int) -> bytes:
    """The message of the end."""
    return ENDED + bytes([exit_code & 0xFF])


def failed(error: LxgitError) -> bytes:
    """An error as a message; one that names no exit code of its own is lxgit's failure, 125."""
    code = error.exit_code if error.exit_code in (126, 127) else 125
    text = f"{error.message}\0{error.hint or ''}".encode("utf-8", "surrogateescape")
    return FAILED + bytes([code]) + text[:CHUNK]


def failure(message: Message) -> StartFailed:
    """The error that such a message tells of."""
    text, _, hint = message.data[1:].decode("utf-8", "surrogateescape").partition("\0")
    return StartFailed(text, hint=hint or None, exit_code=message.data[0])


def unable(what: str, error: Exception) -> LxgitError:
    """The error to tell: one for users as it is, another with what it kept a container from."""
    if isinstance(error, LxgitError):
        return error
    if isinstance(error, OSError):
        fault = in_words(error)
    else:
        fault = LxgitError(f"{type(error).__name__}: {error}")
    return LxgitError(f"the container could not be {what}: {fault.message}", hint=fault.hint)
