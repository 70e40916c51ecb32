"""Capabilities, fixtures and the check for leaks; what they are made of is in tests/support."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import hypothesis
import pytest

from tests.support import leaks, machine, memorydisk, netns, ordinary, rootfs
from tests.support.program import Lxgit
from tests.support.registry import registry
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.registry import Registry

IN_CI = os.environ.get("CI") == "true"

# Those that a parallel run starts have the same.
SEED = os.environ.setdefault("TORTURE_SEED", str(int.from_bytes(os.urandom(3))))

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("lxgit", deadline=None)
hypothesis.settings.load_profile("lxgit")


def pytest_configure() -> None:
    """Allow 1,024 open files, as a login does; build machines often allow many more.

    Let what the tests start be interrupted, too: what a shell runs in the background ignores it.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Make the disk and look for leaks, once: not in each process of a parallel run (pytest-xdist).

    Where the disk is, those that a parallel run starts have from the environment.
    """
    if hasattr(session.config, "workerinput"):
        return
    if machine.DIRECTORY not in os.environ and not memorydisk.lacks():
        ends = contextlib.ExitStack()
        session.config.add_cleanup(ends.close)
        with contextlib.suppress(subprocess.CalledProcessError):  # no loop devices, as it said
            os.environ[machine.DIRECTORY] = str(ends.enter_context(memorydisk.mounted()))
    if not machine.lacks_root():
        session.config.pluginmanager.register(leaks.Watch(always=IN_CI))


def pytest_report_header() -> list[str]:
    return machine.describe()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests of tests/torture recorded, in whichever process."""
    from tests.torture import killing

    rows = [
        value
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for name, value in report.user_properties
        if name == killing.RECORDED
    ]
    if rows:
        terminalreporter.section(f"where kills landed, seed {SEED}")
        terminalreporter.write_line("\n".join([killing.HEADER, *map(str, rows)]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Write each test's needs into the JUnit report, where .ci/run reads them."""
    for item in items:
        for name in _needs(item):
            item.user_properties.append(("needs", name))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name in _needs(item):
        if reason := machine.LACKS[name]():
            unable(f"{name}: {reason}")


@pytest.hookimpl(trylast=True)  # when its fixtures are gone
def pytest_runtest_teardown() -> None:
    """Have no test leave Ctrl-C held back: every program started after it would never hear it."""
    held = signal.SIGINT in signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    assert not held, "SIGINT is left blocked"


def _needs(item: pytest.Item) -> list[str]:
    return [name for name in machine.LACKS if item.get_closest_marker(name)]


def unable(reason: str) -> NoReturn:
    """Skip the test with the reason, or fail it in CI, where everything must work."""
    if IN_CI:
        pytest.fail(f"this machine cannot run the test: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def _own_network() -> Iterator[None]:
    """Keep the host's network out of the tests; `netns.outside` is for who has to fetch."""
    with netns.fresh() if os.geteuid() == 0 else contextlib.nullcontext():
        yield


@pytest.fixture(scope="session")
def work_directory() -> Iterator[Path]:
    """A directory for this run, where overlay mounts work; removed at the end."""
    path = Path(tempfile.mkdtemp(prefix="lxgit-tests-", dir=machine.work_directory()))
    yield path
    remove(path)


@pytest.fixture(scope="module")
def module_directory(work_directory: Path) -> Iterator[Path]:
    """An empty directory for the fixtures that a module's tests share.

    Another each time: a worker may come back to a module when it has taken over tests of it.
    """
    path = Path(tempfile.mkdtemp(prefix="module-", dir=work_directory))
    yield path
    remove(path)


@pytest.fixture
def scratch(work_directory: Path) -> Iterator[Path]:
    """An empty directory for one test, on the same file system as the stores."""
    path = Path(tempfile.mkdtemp(prefix="scratch-", dir=work_directory))
    yield path
    remove(path)


def remove(path: Path) -> None:
    """Remove a tree of any depth; shutil.rmtree keeps a directory open for each level.

    A supervisor on its way out may still write that its container has ended.
    """
    command = ["rm", "-rf", "--one-file-system", str(path)]
    wait_until(lambda: subprocess.run(command, check=False).returncode == 0)


@pytest.fixture
def passage(scratch: Path) -> Path:
    """A directory for one test that every user of this machine reaches, for `OrdinaryUser`."""
    if reason := ordinary.lacks_python():
        unable(reason)
    for place in (scratch.parent, scratch):
        place.chmod(0o711)
    return scratch


@pytest.fixture
def store_dir(scratch: Path) -> Path:
    """The path of a store that does not exist yet, where overlay mounts work."""
    return scratch / "store"


@pytest.fixture
def lxgit(store_dir: Path, scratch: Path) -> Lxgit:
    """The program on that store: `lxgit("run", "base", "true")`."""
    home = scratch / "home"
    home.mkdir()
    return Lxgit(store_dir, home)


@pytest.fixture
def open_registry(scratch: Path) -> Iterator[Registry]:
    """A registry on loopback, for everybody."""
    with _registry(scratch, private=False) as made:
        yield made


@pytest.fixture
def private_registry(scratch: Path) -> Iterator[Registry]:
    """A registry on loopback that wants a password."""
    with _registry(scratch, private=True) as made:
        yield made


def _registry(scratch: Path, *, private: bool) -> contextlib.AbstractContextManager[Registry]:
    need_registry()
    return registry(scratch / "registry", private=private)


def need_registry() -> None:
    """Go no further where none can be."""
    for program in ("docker-registry", "skopeo"):
        if reason := machine.lacks_program(program):
            unable(reason)


@pytest.fixture(scope="session")
def busybox_rootfs(work_directory: Path) -> Path:
    """A small root filesystem in a directory, for reading only: about 400 entries, 2 MB."""
    if reason := machine.lacks_program("busybox"):
        unable(reason)
    return rootfs.build_busybox(work_directory / "busybox")


@pytest.fixture(scope="session")
def busybox_tar(busybox_rootfs: Path, work_directory: Path) -> Path:
    """The same as a tar."""
    return rootfs.make_tar(busybox_rootfs, work_directory / "busybox.tar")


@pytest.fixture(scope="session")
def debian_tar() -> Path:
    """A real Debian as a tar: 4,000 entries, 95 MB. Mark the test `network` and `root`."""
    return _debian("essential", rootfs.ESSENTIAL)


@pytest.fixture(scope="session")
def systemd_tar() -> Path:
    """A real Debian that boots, as a tar: 143 MB. Mark the test `network` and `root`."""
    return _debian("systemd", rootfs.SYSTEMD)


@pytest.fixture(scope="session")
def article_tar() -> Path:
    """A real Debian with ping and nc, as a tar. Mark the test `network` and `root`."""
    return _debian("article", rootfs.ARTICLE)


@pytest.fixture(scope="session")
def postgresql_tar() -> Path:
    """A real Debian with a database cluster, as a tar. Mark it `network`, `root`, `slow`."""
    return _debian("postgresql", rootfs.POSTGRESQL)


@pytest.fixture(scope="session")
def large_debian_tar() -> Path:
    """A large Debian as a tar: 53,000 entries, 874 MB. Mark it `network`, `root`, `slow`."""
    return _debian("large", rootfs.LARGE)


def _debian(name: str, options: tuple[str, ...]) -> Path:
    if not rootfs.is_cached(name) and (reason := machine.lacks_network() or machine.lacks_root()):
        unable(reason)
    with netns.outside():
        return rootfs.cached_debian(name, options)
