"""A program to which the kernel says no: `python denied.py SYSCALL ERRNO PROGRAM ARGUMENT…`.

A seccomp filter answers the system call with the error, for the program and all its children, as a
kernel would that lacks it. Source: seccomp(2), Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

# Of x86-64; the first two anywhere.
_NUMBERS = {"fsopen": 430, "mount_setattr": 442, "mount": 165, "unshare": 272}
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_ALLOW, _ERRNO = 0x7FFF_0000, 0x0005_0000
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET


def deny(number: int, error: int) -> None:
    """Have the system call fail in this process from now on."""
    lines = (
        (_LOAD, 0, 0, 0),  # the number: the first word of struct seccomp_data
        (_EQUAL, 0, 1, number),
        (_RETURN, 0, 0, _ERRNO | error),
        (_RETURN, 0, 0, _ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    program = struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 and libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.c_char_p(program), 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    deny(_NUMBERS[sys.argv[1]], getattr(errno, sys.argv[2]))
    os.execv(sys.argv[3], sys.argv[3:])
