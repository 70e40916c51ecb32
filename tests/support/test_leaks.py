"""The check for leaks sees each kind of thing that a test run could leave behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.runtime import rundir
from tests.support import leaks

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

NAME = f"test-of-leaks-{os.getpid()}"  # another run may be about the same


@contextlib.contextmanager
def directory(path: Path) -> Iterator[None]:
    path.mkdir(parents=True)
    try:
        yield
    finally:
        path.rmdir()


@contextlib.contextmanager
def process(name: str) -> Iterator[None]:
    command = ["bash", "-c", f"exec -a {name} sleep 600"]
    with subprocess.Popen(command) as running:
        try:
            while name.encode() not in Path(f"/proc/{running.pid}/cmdline").read_bytes()[:20]:
                pass
            yield
        finally:
            running.kill()


def new_since(before: leaks.Snapshot) -> list[str]:
    return sorted(leaks.Snapshot.take().things - before.things)


def test_a_running_container() -> None:
    before = leaks.Snapshot.take()
    rundir.prepare()
    with rundir.claimed(NAME):
        assert any(NAME in thing for thing in new_since(before))


@pytest.mark.parametrize("name", ["lxc-execute", "lxgit", "/usr/local/bin/lxgit"])
def test_a_process(name: str) -> None:
    before = leaks.Snapshot.take()
    with process(name):
        assert any(name in thing for thing in new_since(before) if thing.startswith("process"))


def test_a_cgroup() -> None:
    before = leaks.Snapshot.take()
    unified = Path("/sys/fs/cgroup/unified")
    root = unified if unified.is_dir() else Path("/sys/fs/cgroup")
    with directory(root / f"lxc.payload.{NAME}"):
        assert any(NAME in thing for thing in new_since(before))


@pytest.mark.overlay
def test_a_mount(scratch: Path) -> None:
    before = leaks.Snapshot.take()
    for name in ("lower", "upper", "work", "merged"):
        (scratch / name).mkdir()
    options = "lowerdir=lower,upperdir=upper,workdir=work"
    mount = ["mount", "-t", "overlay", NAME, "-o", options, "merged"]
    subprocess.run(mount, cwd=scratch, check=True)
    try:
        assert any(NAME in thing for thing in new_since(before))
    finally:
        subprocess.run(["umount", scratch / "merged"], check=True)


def test_the_run_itself_is_none() -> None:
    own = f"process: {os.getpid()} "
    assert not any(thing.startswith(own) for thing in leaks.Snapshot.take().things)


# What a program is called can be read only some time after Popen has returned: exec is still at it.
LEAKING = """
import subprocess
from pathlib import Path
from tests.support.waiting import wait_until

def test_a():
    leaked = subprocess.Popen(["lxc-execute", "600"], executable="/usr/bin/sleep")
    leaked.returncode = 0  # Python shall say nothing of it
    print(f"pid {leaked.pid}")
    wait_until(lambda: b"lxc-execute" in Path(f"/proc/{leaked.pid}/cmdline").read_bytes())

def test_b():
    pass
"""


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_run_that_leaks_fails(scratch: Path, processes: str) -> None:
    """Once, at its end, whether it ran in one process or in several."""
    (scratch / "conftest.py").write_text(
        "from tests.conftest import pytest_sessionstart\n"
        "from tests.support import leaks\n"
        "leaks._GRACE_SECONDS = 0.1\n"
    )
    (scratch / "test_leaking.py").write_text(LEAKING)
    command = [sys.executable, "-m", "pytest", "-rP", "-p", "no:cacheprovider", "-n", processes]
    done = subprocess.run(
        [*command, "-c", os.devnull, "--rootdir", scratch, scratch],
        env={**os.environ, "CI": "true", "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        check=False,
    )
    pids = re.findall(r"^pid ([0-9]+)$", done.stdout, re.MULTILINE)
    for pid in pids:
        os.kill(int(pid), signal.SIGKILL)
    assert len(pids) == 1, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert done.stdout.count("the tests left on this machine") == 1
    assert done.stdout.count(f"process: {pids[0]} lxc-execute 600") == 1
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
