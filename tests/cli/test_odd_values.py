"""Numbers, sizes, times and ports that are none, for every option that takes one: a line, no more.

Every option that takes a value is either here or among those that take words: a new one has its
place in a table below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lxgit.cli.dispatch import run_command_line
from tests.support.commands import all_commands
from tests.support.program import Lxgit
from tests.support.stores import copied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.cli.commands import Listed
    from lxgit.cli.params import Parameter

pytestmark = pytest.mark.root

HOPELESS = ("9" * 5000, "9" * 400 + "d", "1e400", "\u0661\u0662", "\udcff", "nan", "1_0")
"""What no option takes for a number."""
STRANGE = ("-1", "0", "", "9" * 18, "18446744073709551616")
"""What some take, and others refuse."""

NUMBERS = {
    "0-2,4": ("{}", "0-{}", "{}-1"),
    "ADDRESS": ("{}", "10.0.0.{}"),
    "CIDR": ("{}", "10.0.0.0/{}", "fd00::/{}"),
    "COUNT": ("{}",),
    "COUNT|all": ("{}",),
    "N": ("{}",),
    "NAME=SOFT[:HARD]": ("nofile={}", "nofile=1:{}"),
    "PATH[:size=64m,…]": ("/x:size={}", "/x:mode={}", "/x:uid={}", "/x:gid={}"),
    "POLICY": ("on-failure:{}",),
    "PORT[-PORT][/udp]": ("{}", "1-{}", "{}/udp"),
    "SECONDS": ("{}",),
    "SIGNAL": ("{}", "RTMIN+{}"),
    "SIZE": ("{}", "{}P"),
    "TIME": ("{}", "{}h"),
    "WEIGHT": ("{}",),
    "[=N]": ("{}",),
    "[IP:][HOST:]PORT[/udp]": ("{}", "{}:80", "80-{}:80", "127.0.0.{}:80:80"),
    "--log-opt": ("max-size={}", "max-file={}"),
    "--mount": ("type=tmpfs,target=/x,tmpfs-size={}", "type=tmpfs,target=/x,tmpfs-mode={}"),
}
"""By option, or by what stands for its value in the help: where in that a number is."""

NAMES = {
    "--filter": ("until={}", "exited={}", "publish={}", "expose={}", "id={}", "since={}"),
    "--user": ("{}", "0:{}"),
    "GROUP": ("{}",),
    "HOST[:CONTAINER][:rwm]": ("/dev/null:/dev/x:{}", "{}"),
    "NAME:ADDRESS": ("x:{}",),
    "INSTRUCTION": (
        "HEALTHCHECK --interval={} CMD true",
        "HEALTHCHECK --retries={} CMD true",
        "EXPOSE {}",
        "STOPSIGNAL {}",
    ),
    "JSON": ('{{"PortSpecs": ["{}"]}}', '{{"Healthcheck": {{"Interval": {}}}}}'),
    "--sysctl": ("net.ipv4.ip_default_ttl={}",),
}
"""As well, where what is no number may be a name, or is for the container to find out."""

WORDS = """
    COMMAND CONTAINER CONTAINER[:ro] DIR DOMAIN FILE FORMAT HEX HOST[:PORT] KEYS NAME NAME|ALL
    NAME[:TAG] NAME[=VALUE] NETWORK NEW OPTION OS/ARCH OS/ARCHITECTURE PACKAGE PATH PROGRAM REV
    STAGE STREAM TAG TEXT URL WHO [SOURCE:]PATH[:ro,rslave] id=NAME,src=FILE|env=NAME
""".split()  # noqa: SIM905  # a list would have as many lines as words
"""What takes words, paths and names."""

ARGUMENTS = {
    "build": ("context",),
    "commit": ("-m", "x", "kept"),
    "create": ("base", "true"),
    "diff": ("base",),
    "events": ("--since=1", "--until=1"),
    "images": (),
    "import": ("nowhere.tar", "x"),
    "insert": ("base", "http://127.0.0.1:1/x", "/x"),
    "load": ("-i", "nowhere.tar"),
    "log": (),
    "network connect": ("bridge", "kept"),
    "network create": ("made",),
    "ps": (),
    "pull": ("127.0.0.1:1/x",),
    "reflog": (),
    "rev-parse": ("base",),
    "search": ("x",),
}
"""What the command is told besides; `kept`, a container, where nothing is said here."""

UNDONE = {"create": ("rm", "-f"), "network create": ("network", "rm")}


def values_of(option: Parameter) -> tuple[dict[str, tuple[str, ...]], str]:
    """The table that an option is in, and under which name."""
    for key in (option.declaration.names[-1], option.declaration.metavar):
        for table in (NUMBERS, NAMES):
            if key in table:
                return table, key
    assert option.declaration.metavar in WORDS, option.declaration
    return {}, ""


def options_of(command: Listed) -> list[Parameter]:
    return [
        each
        for each in command.load().parameters
        if each.is_option and not each.is_flag and not each.choices and values_of(each)[0]
    ]


COMMANDS = {
    (each.module, each.function): each
    for each in reversed(all_commands())
    if options_of(each) and each.function != "run"  # whose options `create` has too
}


@pytest.fixture(scope="module")
def store(based_store: Path, module_directory: Path) -> Path:
    """A store with the branch `base`, and a container `kept` of that."""
    made = Lxgit(copied(based_store, module_directory / "odd"), module_directory)
    made("create", "--name", "kept", "base", "true")
    return made.store


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda each: each.name)
def test_what_is_no_number(
    command: Listed,
    store: Path,
    scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In this process: what leaves as an exception is one here."""
    (scratch / "context").mkdir()
    (scratch / "context/Dockerfile").write_text("FROM base\n")
    monkeypatch.chdir(scratch)
    for option, value, may in cases(command):
        words = [f"{option}={value}", *besides(command, option)]
        code = run_command_line(["--store", str(store), *command.name.split(), *words])
        out, err = capfd.readouterr()
        assert code in ((0, 1, 2, 125) if may else (1, 2, 125)), words
        assert err.count("lxgit: ") == bool(code) or command.name == "commit", (words, err)
        if not code and command.name in UNDONE:
            undo = UNDONE[command.name]
            assert run_command_line(["--store", str(store), *undo, out.strip()]) == 0
            capfd.readouterr()


def cases(command: Listed) -> Iterator[tuple[str, str, bool]]:
    """Options and their values, and whether that may be taken: without RUN a build needs few."""
    for option in options_of(command):
        table, key = values_of(option)
        name = option.declaration.names[-1]
        for form in table[key]:
            for value in (*HOPELESS, *STRANGE):
                if (command.name, name, value) != ("events", "--until", "9" * 18):  # it would wait
                    may = value in STRANGE or table is NAMES or command.name == "build"
                    yield name, form.format(value), may


def besides(command: Listed, option: str) -> list[str]:
    """The other words of the line."""
    words = ARGUMENTS.get(command.name, ("kept",))
    return [word for word in words if not word.startswith(f"{option}=")]
