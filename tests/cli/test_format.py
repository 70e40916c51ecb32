"""docs/format.md: what the code and a store have, it names; bytes that it promises are so."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.records import fields
from lxgit.runtime import config, health, limits, mounts, networks, restarts, security
from lxgit.runtime.network.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/format.md").read_text()

RECORDS = [
    *[config.ContainerConfig, config.ContainerState, config.Attachment, mounts.Mount, Endpoint],
    *[limits.Limits, security.Security, restarts.RestartPolicy, networks.Network],
    *[health.HealthCheck, health.Health, health.HealthResult],
]
OF_OTHERS = ("data", "fs", "git", "init", "passing", "upper", "work")
"""Directories in which an image's files are, or Git's."""


def section(title: str) -> str:
    """What stands below a heading."""
    return PAGE.partition(f"\n## {title}")[2].partition("\n## ")[0]


@cache
def calls() -> tuple[tuple[str, ast.Call], ...]:
    """Every call below the command line, with what is called: `eventlog.record`, `.tell`."""
    found: list[ast.AST] = []
    for room in ("", "operations", "runtime"):
        for source in sorted((ROOT / "lxgit" / room).glob("*.py")):
            found += ast.walk(ast.parse(source.read_bytes()))
    return tuple((name_of(node.func), node) for node in found if isinstance(node, ast.Call))


def name_of(called: ast.expr) -> str:
    if isinstance(called, ast.Name):
        return called.id
    if isinstance(called, ast.Attribute):
        above = called.value
        return f"{above.id if isinstance(above, ast.Name) else ''}.{called.attr}"
    return ""


def words_of(call: ast.Call) -> Iterator[str]:
    """The words that stand among a call's arguments themselves, or where one of two is chosen."""
    for argument in call.args:
        chosen = (
            (argument.body, argument.orelse) if isinstance(argument, ast.IfExp) else (argument,)
        )
        for one in chosen:
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield one.value


def test_every_event_that_is_told_is_in_the_table() -> None:
    told: set[str] = set()
    for name, call in calls():
        if name in ("eventlog.record", "tell") or name.endswith((".tell", "._tell")):
            told.update(words_of(call))
    assert told > {"create", "die", "disconnect", "network", "unpause"}
    assert told <= set(re.findall(r"[a-z_]+", section("events: what happened")))


def test_every_lock_of_a_store_is_in_the_table() -> None:
    taken = [call for name, call in calls() if name.endswith(".lock")]
    names = {next(words_of(call), "") for call in taken} - {""}
    assert names > {"layers", "objects", "repack"}
    assert names <= set(re.findall(r"^\| `locks/([a-z]+)`", section("Locks"), re.MULTILINE))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_field_of_a_record_is_named(record: type) -> None:
    names = {one.name for one in fields(record)}
    assert names
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_all_that_lies_in_a_store_is_named(based: Lxgit, context: Path) -> None:
    """What a store has after most of what there is was done to it."""
    run = ("run", "--network", "none")
    based(*run, "--name", "web", "-v", "data:/data", "base", "sh", "-c", "echo new; echo >/new")
    based("commit", "-m", "New", "web")
    based("network", "create", "net")
    (context / "Dockerfile").write_text("FROM base\nRUN --mount=type=cache,target=/c echo >/c/f\n")
    based("build", "-q", "--network", "none", "-t", "built", context)
    based("save", "-o", context / "saved.tar", "base")
    based("load", "-i", context / "saved.tar", "--force")
    based("gc")
    patterns = [re.compile(pattern) for pattern in known_paths()]
    found = list(paths_in(based.store))
    assert {"packed", "unpacked", "operations", "networks/net.json"} <= set(found)
    assert [path for path in found if not any(one.fullmatch(path) for one in patterns)] == []


def known_paths() -> Iterator[str]:
    """What the page says that there is, and the directories that lead there, as patterns."""
    named = re.findall(r"^ {4}STORE/(\S+)", PAGE, re.MULTILINE)
    named += re.findall(r"^\| `(locks/[a-z]+)`", PAGE, re.MULTILINE)
    for path in named:
        parts = [re.sub("[A-Z]+", "[^/]+", re.escape(part)) for part in path.split("/")]
        yield from ("/".join(parts[:count]) for count in range(1, len(parts) + 1))


def paths_in(store: Path) -> Iterator[str]:
    """All in a store but what is in the directories of others."""
    for directory, names, files in os.walk(store):
        place = Path(directory).relative_to(store)
        yield from (f"{place / name}" for name in (*names, *files))
        names[:] = [name for name in names if name.partition(".")[0] not in OF_OTHERS]


KEYED = """\
FROM base
ARG A=1
ENV B=2
MAINTAINER Ada  <ada@example.com>
COPY --chown=1:2 f* d/  /dst/
WORKDIR /dst
RUN --mount=type=bind,source=d,target=/m \\
    test   -e /m/x
CMD echo  $B
"""


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_the_keys_of_a_build(based: Lxgit, git: StockGit, context: Path) -> None:
    """Computed anew, by what the page says."""
    (context / "d").mkdir(0o750)
    for name, mode in (("f", 0o640), ("d/x", 0o644)):
        (context / name).write_text(f"{name}\n")
        (context / name).chmod(mode)
    (context / "d/l").symlink_to("x")
    os.setxattr(context / "f", "user.a", b"b")
    (context / "Dockerfile").write_text(KEYED)
    based("build", "-q", "--network", "none", "-t", "built", context)
    file = [record(b"source", b"f"), described(context / "f", b"user.a", b"b")]
    directory = [record(b"source", b"d"), described(context / "d")]
    directory += [described(context / "d" / name, path=name) for name in ("l", "x")]
    copied = hashlib.sha256(b"".join(file + directory)).hexdigest()
    bound = hashlib.sha256(b"".join(directory)).hexdigest()
    ada = ["Ada", "ada@example.com"]
    copy = "COPY --chown=1:2 f* d/ /dst/"
    mount = "type=bind,source=d,target=/m"
    run: list[object] = [["/bin/sh", "-c", "test   -e /m/x"], {"A": "1"}, "none", [mount], [bound]]
    steps: list[tuple[str, list[str] | None, list[object]]] = [
        ("ARG A=1", None, ["ARG A=1"]),
        ("ENV B=2", None, ["ENV B=2"]),
        ("MAINTAINER Ada <ada@example.com>", ada, ["MAINTAINER Ada <ada@example.com>"]),
        (copy, ada, [copy, copied, "/dst/", "1:2", ""]),
        ("WORKDIR /dst", ada, ["WORKDIR /dst"]),
        (f"RUN --mount={mount} test -e /m/x", ada, run),
        ("CMD echo $B", ada, ["CMD [/bin/sh -c echo  $B]"]),
    ]
    commits = git("rev-list", "--reverse", "base..built").decode().split()
    assert len(commits) == len(steps)
    for commit, (message, author, parts) in zip(commits, steps, strict=True):
        wishes = json.loads(git("show", f"{commit}:config.json"))
        hangs_on = [
            1,
            git("rev-parse", f"{commit}^").decode().strip(),
            message,
            wishes,
            author,
            *parts,
        ]
        key = hashlib.sha256(json.dumps(hangs_on, sort_keys=True).encode()).hexdigest()
        assert git("rev-parse", f"refs/lxgit/cache/{key}").decode().strip() == commit, message


def record(*parts: bytes) -> bytes:
    return b"%d " % len(parts) + b"".join(b"%d:%b" % (len(part), part) for part in parts)


def described(place: Path, *attributes: bytes, path: str = "") -> bytes:
    """A record of what stands in a build context."""
    kind, oid, target, mode = b"directory", b"", b"", place.lstat().st_mode & 0o7777
    if place.is_symlink():
        kind, target = b"symlink", os.fsencode(place.readlink())
    elif place.is_file():
        data = place.read_bytes()
        kind, oid = b"file", hashlib.sha1(b"blob %d\0%b" % (len(data), data)).digest()
    owned = b"%o 0 0" % mode
    return record(path.encode(), kind, owned, oid, target, b"0:0", *attributes)
