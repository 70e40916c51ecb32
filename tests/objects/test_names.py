from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lxgit.objects.names import InvalidName, decode_name, decode_path, encode_name, encode_path

if TYPE_CHECKING:
    from pathlib import Path

# Every spelling that Git or its hosts refuse, or take for something else.
RESERVED = [
    b".git",
    b".GIT",
    b".Git ",
    b".git.",
    b".git . .",
    b".git:x",
    b".git::$INDEX_ALLOCATION",
    b"git~1",
    b"GIT~1",
    b"git~1 ",
    b"git~1.:a",
    ".g\u200cit".encode(),
    "\ufeff.git".encode(),
    ".gi\u206ft".encode(),
    b"a\\.git",
    b".git\\a",
    b"a\\b\\GIT~1",
    b".gitmodules",
    b".GitModules:x",
    b"gitmod~1",
    b"gitmod~4",
    b"gi7eba~1",
    b"gi7eb~12",
    b"~1000000",
    b".gitattributes",
    b"gitatt~1",
    b"gi7d29~1",
    b".gitignore",
    b"gitign~2",
    b"gi250a~1",
    b".mailmap",
    b"mailma~1",
    b"maba30~1",
    ".mail\u200dmap".encode(),
    b"%meta",
    b"%",
    b"%2Fgit",
]
SAFE = [
    b"hosts",
    b"git",
    b".gitx",
    b"x.git",
    b".github",
    b"git~2",
    b"gitmod~5",
    b"a\\b",
    b"a%b",
    b"a b",
    b"\n",
    b"\xff\xfe",
    b"-rf",
    b"digit",
    "naïve".encode(),
]

names = st.binary(min_size=1, max_size=255).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)
awkward = st.lists(
    st.sampled_from(
        [b".git", b"git~1", b"%", b"\\", b":", b" ", b".", b"2E", b"\xe2\x80\x8c", b"x"]
    ),
    min_size=1,
    max_size=8,
).map(b"".join)


@given(names | awkward.filter(lambda name: name not in (b".", b"..")))
@example(b"%" * 255)
def test_every_name_comes_back(name: bytes) -> None:
    stored = encode_name(name)
    assert decode_name(stored) == name
    assert len(stored) <= 765
    assert stored != b"%meta"


@given(names | awkward)
def test_what_is_read_is_what_would_be_written(stored: bytes) -> None:
    try:
        name = decode_name(stored)
    except InvalidName:
        return
    assert encode_name(name) == stored


@pytest.mark.parametrize("name", SAFE)
def test_safe_names_stand_as_they_are(name: bytes) -> None:
    assert encode_name(name) == name


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_names_are_escaped(name: bytes) -> None:
    stored = encode_name(name)
    assert stored == b"%%%02X" % name[0] + name[1:].replace(b"%", b"%25").replace(b"\\", b"%5C")
    with pytest.raises(InvalidName):
        decode_name(name)


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"a\0b", b"x" * 256])
def test_impossible_names_are_refused(name: bytes) -> None:
    with pytest.raises(InvalidName):
        encode_name(name)


@pytest.mark.parametrize(
    "stored", [b"%2egit", b"%61", b"%", b"%2", b"%zz", b"%2E", b"%2E%2E", b"%2F"]
)
def test_other_spellings_are_refused(stored: bytes) -> None:
    with pytest.raises(InvalidName):
        decode_name(stored)


def test_paths() -> None:
    assert encode_path(b"a/.git/%b") == b"a/%2Egit/%25b"
    assert decode_path(b"a/%2Egit/%25b") == b"a/.git/%b"
    assert encode_path(b"") == b""


@given(st.lists(names | awkward.filter(lambda n: n not in (b".", b"..")), min_size=1, max_size=20))
@example(RESERVED)
@example(SAFE)
def test_git_accepts_what_is_stored(
    tmp_path_factory: pytest.TempPathFactory, some: list[bytes]
) -> None:
    """As a blob, as a symlink and as a directory: `git fsck --strict` has nothing to say."""
    repository = tmp_path_factory.mktemp("git")
    git(repository, "init", "-q", "-b", "main", "--bare", ".")
    blob = git(
        repository, "hash-object", "-w", "--stdin", stdin=b'[submodule "x"]\n\tpath = ../x\n'
    )
    stored = sorted({encode_name(name) for name in some})
    inner = mktree(repository, [(b"100644", b"blob", blob, name) for name in stored])
    links = mktree(repository, [(b"120000", b"blob", blob, name) for name in stored])
    trees = mktree(repository, [(b"040000", b"tree", inner, name) for name in stored])
    root = mktree(
        repository, [(b"040000", b"tree", links, b"l"), (b"040000", b"tree", trees, b"t")]
    )
    commit = git(
        repository,
        "-c",
        "user.name=a",
        "-c",
        "user.email=b",
        "commit-tree",
        root.decode(),
        stdin=b"m",
    )
    git(repository, "update-ref", "refs/heads/main", commit.decode())
    check = subprocess.run(
        ["git", "fsck", "--strict", "--no-dangling", "--no-progress"],
        cwd=repository, capture_output=True, check=False,
    )  # fmt: skip
    assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")


def mktree(repository: Path, rows: list[tuple[bytes, bytes, bytes, bytes]]) -> bytes:
    lines = b"".join(b"%b %b %b\t%b\0" % row for row in rows)
    return git(repository, "mktree", "-z", stdin=lines)


def git(repository: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(
        ["git", *arguments], cwd=repository, input=stdin, capture_output=True, check=True
    )
    return done.stdout.strip()
