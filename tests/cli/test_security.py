"""The table of docs/security.md: lxgit's column is what is seen here, and no other's is tighter."""

from __future__ import annotations

import errno
import os
import platform
from typing import TYPE_CHECKING

import pytest

from lxgit.runtime import launcher
from tests.support.insight import HIDEABLE, SECURITY, Insight, documented
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.program import Lxgit

TABLE = documented(SECURITY.read_text())


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_the_table_tells_what_is_seen_from_inside(based: Lxgit) -> None:
    seen = Insight.look(lambda *words: based(*words).out, "base", "--network=none")
    cells, told = seen.cells(), dict(TABLE["lxgit"])
    hidden = told.pop("hidden").split()
    assert cells.pop("hidden").split() == [path for path in HIDEABLE if os.path.exists(path)]
    assert set(hidden) <= set(HIDEABLE)
    assert cells == told


_VIEW = """
grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/self/status
cd /proc/self
cat uid_map gid_map mountinfo limits oom_score_adj
sed 's,/\\.lxc$,/,' cgroup  # LXC's leaf for who joins: of version 2 only leaves have processes
cat attr/current 2>/dev/null
for one in ns/*; do readlink $one; done
env | grep -v ^SHLVL= | sort
echo seen
"""


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
@pytest.mark.parametrize("user", [(), ("-u", "1000:1000")])
def test_another_command_is_as_confined_as_the_first(based: Lxgit, user: tuple[str, ...]) -> None:
    based("run", "-d", *user, "-e", "A=b", "--name", "web", "base", "sh", "-c", f"{_VIEW} sleep 99")
    wait_until(lambda: based("logs", "web").out.endswith("seen\n"))
    first = based("logs", "web").out.splitlines()
    assert based("exec", "web", "sh", "-c", _VIEW).out.splitlines() == first
    assert any(line.startswith("Seccomp:\t2") for line in first)
    based("rm", "-f", "web")


_AF_UNIX, _AF_VSOCK = 1, 40
_OPENED = 256 - 3  # the descriptor, negated


def _opening(family: int) -> bytes:
    """A program that opens a socket, and exits with the error, or with _OPENED.

    mov $41,%eax; movabs $FAMILY,%rdi; mov $1,%esi; xor %edx,%edx; syscall; mov %eax,%edi;
    neg %edi; mov $60,%eax; syscall
    """
    call = "b829000000 48bf" + family.to_bytes(8, "little").hex() + "be01000000 31d2 0f05"
    return launcher._elf(62, bytes.fromhex(call + "89c7 f7df b83c000000 0f05"))


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the program is of x86-64")
def test_no_socket_leads_to_the_hypervisor(based: Lxgit) -> None:
    def opened(family: int, *options: str) -> int:
        script = "cat >/open; chmod +x /open; exec /open"
        started = ("run", "-i", "--rm", "--network", "none", *options, "base", "sh", "-c", script)
        return based(*started, stdin=_opening(family), code=None).code

    assert opened(_AF_UNIX) == _OPENED
    assert opened(_AF_VSOCK) == errno.EPERM
    assert opened(1 << 32 | _AF_VSOCK) == errno.EPERM  # the kernel takes 32 bits of it
    free = opened(_AF_VSOCK, "--security-opt", "seccomp=unconfined")
    assert free in (_OPENED, errno.EAFNOSUPPORT)


def test_none_is_tighter() -> None:
    """By the table itself, which `python -m benchmarks.security` makes of all three at once."""
    ours = TABLE["lxgit"]
    for name in ("Docker", "Podman"):
        theirs = TABLE[name]
        for row in ("capabilities, bounding", "capabilities, effective"):
            assert not _mask(ours[row]) & ~_mask(theirs[row]), name
        row = "system calls refused (seccomp)"
        assert int(ours[row]) >= int(theirs[row]), name
        for row in ("namespaces of its own", "hidden"):
            assert set(ours[row].split()) >= set(theirs[row].split()), (name, row)
        assert set(ours["devices"].split()) <= set(theirs["devices"].split()), name
        assert float(ours["processes"].replace("max", "inf")) <= float(
            theirs["processes"].replace("max", "inf")
        )
        for row in ("mounts of the host's disk", "control group", "its root"):
            assert ours[row] in ("none", "its own tree", "nodev"), row


def _mask(cell: str) -> int:
    return int(cell.split("`")[1], 16)
