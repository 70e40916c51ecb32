"""The first program of a container: it takes the terminal, and becomes the command.

LXC starts a container's first process as the leader of a new session, but gives it no controlling
terminal; without one a shell has no job control and Ctrl-C reaches nobody (credentials(7),
TIOCSCTTY in ioctl_tty(2)). Only that process itself can take one, so something must run in it
before the command does. LXC's own `init.lxc` would, but it stays process 1, ends a container only
after its last background process, and gives everything one second to live after SIGTERM.

So the launcher is a program of its own, of some 500 bytes, and as it is there anyway it also
carries what LXC's configuration file cannot hold without quoting rules that it does not have:
environment and arguments with newlines, and a name for argv[0] apart from the file:

    LAUNCHER FILE DIRECTORY [NAME=VALUE]… "" ARGUMENT…

If descriptor 201 is open it is the gate: the launcher waits until it can read a byte from there.
Meanwhile the supervisor makes what needs the container's namespaces and must be there when the
command begins, its network above all. Without a byte it exits with 125.

If descriptor 200 is open it is a terminal, and becomes 0, 1 and 2: LXC would put another in between
if it saw one there (lxc-attach(1)). The launcher begins a session unless it leads one, takes
descriptor 0 as controlling terminal if it can, closes descriptor 3, enters DIRECTORY
and executes FILE. What fails of these two it says, and exits with 127 if FILE is not there, else
with 126.
LXC executes it as /proc/self/fd/3, so it has no name in the container.

The machine code is that of the commented assembly in `launcher-*.s`; a test assembles those and
compares. The file format is elf(5).
"""

from __future__ import annotations

import os
import struct

from lxgit.errors import LxgitError
from lxgit.runtime import reaper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lxgit.runtime.credentials import Credentials

DESCRIPTOR = 3  # where the launcher expects its own file to be open
TERMINAL = 200  # where it looks for a terminal; LXC itself has nothing open up there
GATE = 201  # where it looks for a gate

_MESSAGES = (
    b"lxgit: the kernel cannot execute the command\n"
    b"lxgit: the working directory cannot be entered\n"
)
_MACHINES = {  # uname -m → e_machine, code
    "x86_64": (
        62,
        bytes.fromhex("""
            bfc90000 00488d74 24f8ba01 00000031 c00f05bf 7d000000 85c00f84 c0000000
            bfc90000 00b80300 00000f05 31dbbfc8 00000089 deb82100 00000f05 ffc383fb
            0375ebbf c8000000 b8030000 000f05b8 70000000 0f0531ff be0e5400 0031d2b8
            10000000 0f05bf03 000000b8 03000000 0f05488b 7c2418b8 50000000 0f0585c0
            7538488d 54242048 89d6488b 0e4883c6 08803900 75f448c7 46f80000 0000488b
            7c2410b8 3b000000 0f0589c3 488d3534 000000ba 2d000000 eb0e31db 488d3551
            000000ba 2f000000 bf020000 00b80100 00000f05 bf7e0000 0083fbfe 7502ffc7
            b83c0000 000f05
        """),
    ),
    "aarch64": (
        183,
        bytes.fromhex("""
            201980d2 e14300d1 220080d2 e80780d2 010000d4 f30300aa a00f80d2 930600b4
            201980d2 280780d2 010000d4 130080d2 001980d2 e10313aa 020080d2 080380d2
            010000d4 73060091 7f0e00f1 21ffff54 001980d2 280780d2 010000d4 a81380d2
            010000d4 000080d2 c1818ad2 020080d2 a80380d2 010000d4 600080d2 280780d2
            010000d4 e00f40f9 280680d2 010000d4 c00100b5 e2830091 e10302aa 238440f8
            64004039 c4ffff35 3f801ff8 e00b40f9 a81b80d2 010000d4 f30300aa c1010010
            a20580d2 04000014 130080d2 a1020030 e20580d2 400080d2 080880d2 010000d4
            c00f80d2 7f0a00b1 0014809a a80b80d2 010000d4
        """),
    ),
}

_BASE = 0x40_0000  # where the one segment is loaded
_HEADERS = 64 + 2 * 56  # Elf64_Ehdr and two Elf64_Phdr


class UnsupportedMachine(LxgitError):
    """No launcher for this processor."""


def program(
    machine: str | None = None, *, init: bool = False, user: Credentials | None = None
) -> bytes:
    """The launcher as an ELF executable for `machine` (uname -m), by default this one.

    With `init` it has a child that becomes the command, and reaps (reaper.py); `user` is who it
    becomes first (credentials.py).
    """
    name = machine or os.uname().machine
    if name not in _MACHINES:
        raise UnsupportedMachine(
            f"lxgit cannot start containers on {name}",
            hint="it can on " + " and ".join(sorted(_MACHINES)),
        )
    number, code = _MACHINES[name]
    become = b"" if user is None else _prologue(name, user)
    return _elf(number, become + (reaper.CODE[name] if init else b"") + code + _MESSAGES)


def _prologue(machine: str, user: Credentials) -> bytes:
    from lxgit.runtime.credentials import prologue

    return prologue(machine, user)


def arguments(
    file: bytes, directory: bytes, environment: Iterable[bytes], command: Sequence[bytes]
) -> list[bytes]:
    """What follows the launcher's own name: see the module's text. No string may hold a NUL."""
    return [file, directory, *(item for item in environment if item), b"", *command]


def _elf(machine: int, code: bytes) -> bytes:
    """An executable of one segment that is read and executed, never written (elf(5))."""
    size = _HEADERS + len(code)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)  # 64 bits, least significant byte first, System V
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        identity,
        *(2, machine, 1),  # ET_EXEC, EV_CURRENT
        *(_BASE + _HEADERS, 64, 0),  # entry point; program headers follow; no section headers
        *(0, 64, 56, 2, 0, 0, 0),
    )
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1_0000)  # PT_LOAD, r-x
    stack = struct.pack("<IIQQQQQQ", 0x6474_E551, 6, 0, 0, 0, 0, 0, 16)  # PT_GNU_STACK, rw-
    return header + load + stack + code
