"""A program as a file in memory that nobody can write to: memfd_create(2), F_GET_SEALS in fcntl(2).

lxc-attach executes itself anew from such a copy, so that no container can write to the host's own
through /proc/PID/exe (CVE-2019-5736). Out of one with these seals it does not, and is ready 2 ms
sooner (src/lxc/rexec.c).
"""

from __future__ import annotations

import errno
import fcntl
import os
from functools import cache
from pathlib import Path

_MFD_EXEC = 0x10  # Python has no name for it
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@cache
def sealed_copy(program: str) -> int | str:
    """A copy to be executed, made once; the program itself where the host executes none."""
    content = Path(program).read_bytes()
    try:
        copy = _executable(os.path.basename(program))
    except PermissionError:  # vm.memfd_noexec=2
        return program
    os.write(copy, content)
    fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _SEALS)
    return copy


def _executable(name: str) -> int:
    """An empty file in memory that can be executed. PermissionError."""
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | _MFD_EXEC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.memfd_create(name, flags)  # before Linux 6.3 all of them can be
