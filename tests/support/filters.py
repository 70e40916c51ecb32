"""What a seccomp filter says to a system call: read from a process, and worked out here.

The filter is a program of the classic BPF (Documentation/networking/filter.rst) over struct
seccomp_data, which PTRACE_SECCOMP_GET_FILTER (ptrace(2)) gives to root of the host.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import NamedTuple

ALLOW = 0x7FFF_0000
# Of x86-64 and, from 424 up, of every machine; as far as libseccomp 2.6 has names for them.
NUMBERS = (*range(335), *range(424, 467))

_SEIZE, _INTERRUPT, _DETACH, _GET_FILTER = 0x4206, 0x4207, 17, 0x420C
_WALL = 0x4000_0000
_ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


class Instruction(NamedTuple):
    """struct sock_filter."""

    code: int
    if_true: int
    if_false: int
    value: int


def refused(pid: int) -> set[int]:
    """The numbers of the system calls that a process may not make, with no argument set."""
    programs = _filters(pid)
    return {
        number
        for number in NUMBERS
        if any(_answer(program, number) != ALLOW for program in programs)
    }


def _filters(pid: int) -> list[list[Instruction]]:
    _ptrace(_SEIZE, pid, 0, None)
    try:
        _ptrace(_INTERRUPT, pid, 0, None)
        os.waitpid(pid, _WALL)
        found: list[list[Instruction]] = []
        while (count := _ptrace(_GET_FILTER, pid, len(found), None)) >= 0:
            buffer = ctypes.create_string_buffer(8 * count)
            _ptrace(_GET_FILTER, pid, len(found), buffer)
            found.append([Instruction(*each) for each in struct.iter_unpack("<HBBI", buffer.raw)])
        return found
    finally:
        _ptrace(_DETACH, pid, 0, None)


def _ptrace(request: int, pid: int, number: int, data: object) -> int:
    """ptrace(2); -1 where there is no such filter."""
    result = int(_libc.ptrace(request, pid, number, data))
    if result < 0 and ctypes.get_errno() != errno.ENOENT:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _answer(program: list[Instruction], number: int) -> int:
    """What the program returns for a call without arguments, as the kernel runs it."""
    data = struct.pack("<II7Q", number, _ARCHITECTURES[os.uname().machine], *[0] * 7)
    accumulator = at = 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == 0x20:  # load a word of the data
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x54:  # and
            accumulator &= value
        elif code == 0x05:  # jump
            at += value
        elif code == 0x06:  # return
            return value
        else:
            jumps = {0x15: accumulator == value, 0x25: accumulator > value}
            jumps |= {0x35: accumulator >= value, 0x45: bool(accumulator & value)}
            at += if_true if jumps[code] else if_false
