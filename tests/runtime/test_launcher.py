"""The launcher: the bytes are those of the assembly, and they do what the text says."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lxgit.runtime import credentials, launcher, reaper
from lxgit.runtime.credentials import Credentials
from tests.support import machine as machines

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCES = Path(launcher.__file__).parent
ROOT = Credentials(0, 0, (), 0)
NO_GROUPS = struct.pack("<4IQ", 24, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("machine", "prefix"), [("x86_64", "x86_64-linux-gnu-"), ("aarch64", "aarch64-linux-gnu-")]
)
@pytest.mark.parametrize("name", ["launcher", "reaper", "credentials"])
def test_the_bytes_are_the_assembled_source(
    name: str, machine: str, prefix: str, tmp_path: Path
) -> None:
    assembler = shutil.which(f"{prefix}as")
    objcopy = shutil.which(f"{prefix}objcopy")
    if assembler is None or objcopy is None:
        pytest.skip(f"no assembler for {machine}: apt install binutils-{prefix.rstrip('-')}")
    source = SOURCES / f"{name}-{machine}.s"
    subprocess.run([assembler, "-o", tmp_path / "o", source], check=True)
    subprocess.run(
        [objcopy, "-O", "binary", "-j", ".text", tmp_path / "o", tmp_path / "code"], check=True
    )
    code = (tmp_path / "code").read_bytes()
    held = {
        "launcher": launcher.program(machine)[-len(code) :],
        "reaper": reaper.CODE[machine],
        "credentials": credentials.prologue(machine, ROOT)[: -len(NO_GROUPS)],
    }
    assert held[name] == code


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(launcher.UnsupportedMachine, match="pdp11"):
        launcher.program("pdp11")


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs the launcher of this processor."""
    return [executable(tmp_path_factory, launcher.program())]


@pytest.fixture(scope="module", params=["native", "aarch64"])
def launch(
    request: pytest.FixtureRequest, native: list[str], tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """The same, and for an emulated processor."""
    if request.param == "native":
        return native
    emulator = shutil.which("qemu-aarch64")
    if emulator is None:
        pytest.skip("no qemu-aarch64: apt install qemu-user")
    return [emulator, executable(tmp_path_factory, launcher.program("aarch64"))]


def executable(factory: pytest.TempPathFactory, content: bytes) -> str:
    path = factory.mktemp("launcher") / "launcher"
    path.write_bytes(content)
    path.chmod(0o755)
    return str(path)


def run(launch: list[str], arguments: list[bytes]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*launch, *arguments], capture_output=True, check=False, env={})


SHOW = (
    "import os, sys; os.environb.pop(b'LC_CTYPE', None);"
    "print(os.getcwd(), os.environb, [os.fsencode(a) for a in sys.argv[1:]])"
)


def shown(launch: list[str], environment: list[bytes], arguments: list[bytes]) -> str:
    """What a Python that the launcher became sees of its surroundings."""
    command = [b"python3", b"-IS", b"-c", SHOW.encode(), *arguments]
    told = launcher.arguments(b"/usr/bin/python3", b"/usr/share", environment, command)
    return run(launch, told).stdout.decode().strip()


def test_it_becomes_the_command_with_its_directory_and_environment(launch: list[str]) -> None:
    variables = {b"A": b"1", b"B": b"", b"C": b"=\n"}
    arguments = [b"", b"x y", b"\"\n'"]
    assert shown(launch, [b"A=1", b"B=", b"", b"C==\n"], arguments) == (
        f"/usr/share environ({variables!r}) {arguments!r}"
    )


text = st.binary(max_size=20).map(lambda value: value.replace(b"\0", b""))


@settings(max_examples=60, deadline=None)
@given(arguments=st.lists(text, max_size=5), values=st.lists(text, max_size=5))
def test_any_bytes_arrive_as_they_are(
    native: list[str], arguments: list[bytes], values: list[bytes]
) -> None:
    environment = [b"V%d=%s" % pair for pair in enumerate(values)]
    expected = {b"V%d" % index: value for index, value in enumerate(values)}
    assert shown(native, environment, arguments) == (
        f"/usr/share environ({expected!r}) {arguments!r}"
    )


COMMAND = b"lxgit: the kernel cannot execute the command\n"
DIRECTORY = b"lxgit: the working directory cannot be entered\n"


@pytest.mark.parametrize(
    ("file", "directory", "code", "said"),
    [
        (b"/nowhere", b"/", 127, COMMAND),
        (b"/etc/passwd", b"/", 126, COMMAND),
        (b"/bin/true", b"/nowhere", 126, DIRECTORY),
        (b"/bin/true", b"/etc/passwd", 126, DIRECTORY),
        (b"/bin/true", b"/", 0, b""),
    ],
)
def test_what_fails_is_said(
    launch: list[str], file: bytes, directory: bytes, code: int, said: bytes
) -> None:
    result = run(launch, launcher.arguments(file, directory, [], [b"x"]))
    assert (result.returncode, result.stderr) == (code, said)


@pytest.mark.parametrize(("sent", "code"), [(b"\n", 7), (b"", 125)])
def test_it_waits_at_the_gate(launch: list[str], sent: bytes, code: int) -> None:
    gate, opened = os.pipe()
    os.dup2(gate, launcher.GATE)
    script = b"exit $((7 + $(ls /proc/self/fd | grep -c %d)))" % launcher.GATE
    told = launcher.arguments(b"/bin/sh", b"/", [b"PATH=/bin"], [b"sh", b"-c", script])
    with subprocess.Popen([*launch, *told], pass_fds=(launcher.GATE,)) as waiting:
        os.close(launcher.GATE)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(0.1)
        os.write(opened, sent)
        os.close(opened)
        os.close(gate)
        assert waiting.wait(60) == code


def test_it_takes_the_terminal(native: list[str]) -> None:
    main, replica = pty.openpty()
    script = b"tty; echo through the terminal > /dev/tty"
    subprocess.run(
        [*native, *launcher.arguments(b"/bin/sh", b"/", [], [b"sh", b"-c", script])],
        stdin=replica,
        stdout=replica,
        start_new_session=True,
        check=True,
    )
    name = os.ttyname(replica)
    os.close(replica)
    with contextlib.suppress(OSError), open(main, "rb", buffering=0) as stream:
        said = b""
        while data := stream.read(100):  # a terminal that nobody has open any more gives EIO
            said += data
    assert said.decode() == f"{name}\r\nthrough the terminal\r\n"


@pytest.fixture(scope="module", params=["native", "aarch64"])
def reap(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The launcher with a child that becomes the command, as `--init` has it."""
    if request.param == "native":
        return [executable(tmp_path_factory, launcher.program(init=True))]
    emulator = shutil.which("qemu-aarch64")
    if emulator is None:
        pytest.skip("no qemu-aarch64: apt install qemu-user")
    return [emulator, executable(tmp_path_factory, launcher.program("aarch64", init=True))]


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 255", 255), ("kill -KILL $$", 137), ("exec /proc/none", 127)],
)
def test_the_reaper_exits_as_the_command_does(reap: list[str], script: str, code: int) -> None:
    command = launcher.arguments(b"/bin/sh", b"/", [], [b"sh", b"-c", script.encode()])
    assert run(reap, command).returncode == code


def test_the_reaper_shows_nobody_the_environment(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = executable(tmp_path_factory, launcher.program(init=True))
    script = b"tr '\\0' ' ' < /proc/$PPID/cmdline; echo $SECRET"
    command = launcher.arguments(
        b"/bin/sh", b"/", [b"SECRET=xyzzy", b"PATH=/usr/bin"], [b"sh", b"-c", script]
    )
    assert run([path], command).stdout.split() == [path.encode(), b"xyzzy"]


def test_the_reaper_passes_signals_on(reap: list[str]) -> None:
    script = b"trap 'echo got; exit 5' USR1; trap '' TERM; echo ready; while :; do sleep 0.01; done"
    command = launcher.arguments(b"/bin/sh", b"/", [b"PATH=/bin"], [b"sh", b"-c", script])
    with subprocess.Popen([*reap, *map(os.fsdecode, command)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.read() == b"got\n"
        assert process.wait() == 5


@pytest.fixture(params=["native", "aarch64"])
def becoming(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Credentials, str], subprocess.CompletedProcess[bytes]]:
    """Runs a shell's script through a launcher that becomes somebody first."""
    if reason := machines.lacks_root():
        pytest.skip(reason)
    emulator = shutil.which("qemu-aarch64")
    if request.param != "native" and emulator is None:
        pytest.skip("no qemu-aarch64: apt install qemu-user")

    def becoming(user: Credentials, script: str) -> subprocess.CompletedProcess[bytes]:
        made = launcher.program(None if request.param == "native" else request.param, user=user)
        path = executable(tmp_path_factory, made)
        before = [emulator] if request.param != "native" and emulator is not None else []
        Path(path).parent.parent.chmod(0o755)
        command = (b"sh", b"-c", script.encode())
        return run([*before, path], launcher.arguments(b"/bin/sh", b"/", [], command))

    return becoming


STATUS = r"grep -E '^(Uid|Gid|Groups|CapBnd|CapEff)' /proc/self/status | tr -s '\t ' ' '"


def test_it_becomes_the_user_with_all_groups(
    becoming: Callable[[Credentials, str], subprocess.CompletedProcess[bytes]],
) -> None:
    every = int(re.findall(r"CapBnd:\s(\w+)", Path("/proc/self/status").read_text())[0], 16)
    user = Credentials(33, 34, (5, 70_000, *range(100, 1000)), 1 << 21 | 1 << 6)
    assert becoming(user, STATUS).stdout.decode().split("\n") == [
        "Uid: 33 33 33 33",
        "Gid: 34 34 34 34",
        "Groups: " + " ".join(map(str, sorted(user.groups))) + " ",
        "CapEff: 0000000000000000",
        f"CapBnd: {every & ~user.dropped:016x}",
        "",
    ]


def test_what_the_kernel_refuses_is_not_executed(
    becoming: Callable[[Credentials, str], subprocess.CompletedProcess[bytes]],
) -> None:
    for user in (
        Credentials(0xFFFF_FFFF, 1, (), 1 << 63),  # no such capability
        Credentials(1, 1, (0xFFFF_FFFF,), 0),
    ):
        done = becoming(user, "echo it runs")
        assert (done.returncode, done.stdout) == (125, b"")
        assert done.stderr == b"lxgit: the kernel does not take the user\n"
