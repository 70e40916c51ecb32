"""A program that is executed out of memory, and cannot be changed there."""

from __future__ import annotations

import fcntl
import os
import subprocess

import pytest

from lxgit.runtime import sealed


def test_it_runs_and_cannot_be_written_to() -> None:
    copy = sealed.sealed_copy("/bin/true")
    assert isinstance(copy, int)
    assert sealed.sealed_copy("/bin/true") == copy
    program = f"/proc/self/fd/{copy}"
    assert subprocess.run([program], pass_fds=(copy,), check=True).returncode == 0
    with pytest.raises(PermissionError):
        os.pwrite(copy, b"x", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(copy, 0)
    with pytest.raises(PermissionError):
        fcntl.fcntl(copy, fcntl.F_ADD_SEALS, 0)


@pytest.mark.parametrize("refused", [PermissionError(13, "vm.memfd_noexec"), None])
def test_hosts_that_know_no_such_files(
    monkeypatch: pytest.MonkeyPatch, refused: PermissionError | None
) -> None:
    made = os.memfd_create

    def older(name: str, flags: int) -> int:
        if refused is not None:
            raise refused
        if flags & 0x10:
            raise OSError(22, "an unknown flag")
        return made(name, flags)

    monkeypatch.setattr(os, "memfd_create", older)
    copy = sealed.sealed_copy.__wrapped__("/bin/true")
    assert copy == "/bin/true" if refused is not None else isinstance(copy, int)
