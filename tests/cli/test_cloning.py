"""Git repositories as build contexts, and ADD of them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.extent import TooManyEntries
from lxgit.objects.limits import Limits, TooLarge
from lxgit.operations import cloning
from lxgit.operations.cloning import allowed
from tests.support import gitserver
from tests.support.stores import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.errors import LxgitError
    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

SCRIPT = """
git init -q -b main app && cd app
git config user.name Ada && git config user.email ada@example.org
mkdir -p docs/deep && echo one >file && echo page >docs/page && ln -s ../file docs/link
ln -s /etc out && ln -s docs to && chmod 755 docs/page
printf 'FROM base\\nCOPY . /srv/\\n' >Dockerfile
printf 'FROM base\\nCOPY page /srv/\\n' >docs/Dockerfile
cd .. && ln -s app app.git && cd app
git add -A && git commit -qm one && git tag v1
echo two >file && git commit -qam two
"""


@pytest.fixture
def address(scratch: Path) -> Iterator[str]:
    """A repository whose last two commits differ in `file`."""
    served = scratch / "served"
    served.mkdir()
    subprocess.run(["sh", "-ec", SCRIPT], cwd=served, check=True)
    with gitserver.serving(served) as url:
        yield f"{url}/app"


def add(lxgit: Lxgit, line: str, code: int = 0) -> str:
    """What a build prints whose one step is that line."""
    result = lxgit("build", "-q", "-", stdin=f"FROM base\n{line}\n".encode(), code=code)
    left = os.listdir(lxgit.store / "tmp")
    assert not [name for name in left if name.startswith(("owner-", "clone-"))]
    return (result.err if code else result.out).strip()


def commit_of(address: str, name: str) -> str:
    said = subprocess.check_output(["git", "ls-remote", address, name], text=True)
    return said.split()[0]


def test_add_of_a_repository(based: Lxgit, address: str) -> None:
    made = add(based, f"ADD --chown=3:4 {address}.git /srv/app")
    listed = based("ls", f"{made}:/srv/app").out
    assert ".git" not in listed
    assert based("show", f"{made}:/srv/app/file").out == "two\n"
    assert "Dockerfile" in listed
    for name in ("v1", commit_of(address, "v1")):
        made = add(based, f"ADD {address}.git#{name} /srv/")
        assert based("show", f"{made}:/srv/file").out == "one\n"
    made = add(based, f"ADD --exclude=link {address}#main:to /srv/")
    assert based("ls", f"{made}:/srv").out.split() == ["Dockerfile", "page"]
    assert add(based, f"ADD --exclude=link {address}#main:to /srv/") == made


def test_modes_are_the_repositorys(based: Lxgit, address: str) -> None:
    """Whatever the umask of whoever builds."""
    before = os.umask(0o077)
    try:
        made = add(based, f"ADD {address}.git /srv/app")
    finally:
        os.umask(before)
    modes = {
        line.split()[-1]: line.split()[0] for line in based("ls", "-l", f"{made}:/srv/app").lines
    }
    assert modes["file"] == "-rw-r--r--"
    assert "drwxr-xr-x" in modes.values()


@pytest.mark.parametrize(
    ("url", "schemes"),
    [
        ("http://a/b.git", "http:https"),
        ("https://a/b.git", "https"),
        ("git://a/b", "git"),
    ],
)
def test_what_git_may_speak(url: str, schemes: str) -> None:
    assert allowed(url) == schemes


def test_what_cannot_be_cloned(based: Lxgit, address: str) -> None:
    for line, words in (
        (f"ADD {address}x /srv/", "cannot be fetched"),
        (f"ADD {address}#none /srv/", "is there a 'none'?"),
        (f"ADD {address}#{'1' * 40} /srv/", "cannot be fetched"),
        (f"ADD {address}#--upload-pack=x /srv/", "names no commit"),
        (f"ADD {address}#main:none /srv/", "has no directory 'none'"),
        (f"ADD {address}#main:{'n' * 300} /srv/", "has no directory 'nnn"),
        (f"ADD {address}#main:{'n/' * 9000} /srv/", "is too long a path"),
        (f"ADD {address}#main:out /srv/", "has no directory 'out'"),
        (f"ADD {address}#main:../../.. /srv/x", ""),
        ("ADD git@127.0.0.1:app /srv/", "not fetched by SSH"),
        ("ADD https://me:secret@127.0.0.1/app.git /srv/", "a password"),
        ("ADD https://[x/a.git /srv/", "'https://[x/a.git': Invalid IPv6 URL"),
    ):
        if words:
            assert words in add(based, line, code=1)
        else:  # there is nothing above the top
            assert "Dockerfile" in based("ls", f"{add(based, line)}:/srv/x").out


def test_a_repository_as_the_context(based: Lxgit, address: str) -> None:
    failed = based("build", "https://[x/a.git", code=1)
    assert "'https://[x/a.git': Invalid IPv6 URL" in failed.err
    made = based("build", "-q", address).out.strip()
    assert based("show", f"{made}:/srv/file").out == "two\n"
    made = based("build", "-q", f"{address}#v1").out.strip()
    assert based("show", f"{made}:/srv/file").out == "one\n"
    for words in ((f"{address}#:docs",), ("-f", "docs/Dockerfile", f"{address}#main:.")):
        failed = based("build", "-q", *words, code=None)
        assert failed.code == (0 if len(words) == 1 else 1), failed.err
    assert "'page' to copy" in failed.err
    left = os.listdir(based.store / "tmp")
    assert not [name for name in left if name.startswith("owner-")]


def test_a_repository_that_unfolds_without_end(based: Lxgit, scratch: Path) -> None:
    """Five trees, each a hundred times in the next, are ten thousand million directories."""
    script = """
        git init -q --bare bomb.git && cd bomb.git && tree=$(git mktree </dev/null)
        for level in 1 2 3 4 5; do
            tree=$(seq 100 | sed "s/.*/040000 tree $tree\\t&/" | git mktree)
        done
        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
        git update-ref HEAD $(git commit-tree -m bomb $tree)
    """
    subprocess.run(["sh", "-ec", script], cwd=scratch, check=True)
    with gitserver.serving(scratch) as url:
        failed = based("build", f"{url}/bomb.git", code=1, timeout=120).err
        assert failed.splitlines() == [
            "lxgit: the repository unfolds to more than 4,194,304 entries, or 512 MiB of paths",
            "hint: clone it, and give the directory with what is wanted of it",
        ]
        assert "line 2, ADD: the repository unfolds" in add(based, f"ADD {url}/bomb.git /", code=1)


@pytest.mark.parametrize(
    ("name", "fits", "wanted"),
    [
        ("MAX_ENTRIES", 8, TooManyEntries),
        ("MOST_PATHS", 56, TooManyEntries),
        ("limits_for", 73, TooLarge),
    ],
)
def test_how_much_a_repository_may_have(
    address: str,
    scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    fits: int,
    wanted: type[LxgitError],
) -> None:
    """Its entries, directories and links too; their paths; the bytes of its files."""

    def fetch(most: int) -> None:
        limit = (lambda *_: Limits(most, most)) if name == "limits_for" else most
        monkeypatch.setattr(cloning, name, limit)
        with cloning.cloned(address, scratch, proxies={}, progress=Listener()) as files:
            assert files.find(b"docs/page") is not None

    fetch(fits)
    with pytest.raises(wanted):
        fetch(fits - 1)
    assert len(list(scratch.glob("clone-*-files"))) == 1
