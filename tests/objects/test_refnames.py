"""Which names refs may have: Git's rules, and the few that lxgit adds."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lxgit.objects.git import Git, GitFailed
from lxgit.objects.refnames import InvalidName, check_name, is_valid_ref, short_name

NAMES = st.text(
    st.sampled_from(list("abAB019/.-_@{}~^:?*[\\ \t\x7flock%é\udcff")), min_size=1, max_size=12
)


@given(name=NAMES)
@example("a.lock")
@example("a.lock/b")
@example(".a")
@example("a/.b")
@example("a.")
@example("@")
@example("a@{b")
@example("a//b")
@settings(max_examples=300, deadline=None)
def test_git_has_the_same_rules(name: str) -> None:
    try:
        Git(None).run(["check-ref-format", f"refs/heads/{name}"])
        valid = True
    except GitFailed:
        valid = False
    assert is_valid_ref(f"refs/heads/{name}") == valid


@pytest.mark.parametrize(
    "name",
    [
        "base",
        "base/v1",
        "f440/first_container",
        "é",
        "a.b",
        "v-1",
        "tags",
        "lxgit/base",
        "a/tags/b",
    ],
)
def test_good_ones(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "-d", "--all", "HEAD", "@", "a b", "a:b", "a..b", "a/", "/a", "x" * 251, "0" * 40],
)
def test_bad_ones(name: str) -> None:
    with pytest.raises(InvalidName):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("base:v1", "it is a tag's: take 'base', then 'lxgit tag base:v1 base'"),
        (
            "localhost:5000/team/base:v1",
            (
                "a registry is named to 'push': take 'team/base:v1', then"
                " 'lxgit push team/base:v1 localhost:5000/team/base'"
            ),
        ),
        *(
            (
                f"[::1]:5000/web{tag}",
                "a registry is named to 'push': take 'web', then 'lxgit push web [::1]:5000/web'",
            )
            for tag in ("", ":latest")
        ),
        *(
            (
                name,
                (
                    "take letters, digits, '-', '_', '.' and '/', and begin with a letter or digit;"
                    " no '..' or '//', no '.', '.lock' or '/' at the end,"
                    " and neither HEAD nor a whole id"
                ),
            )
            for name in ("x.lock", "a..b", "x/", "a//b", "HEAD", "0" * 40, "a:b:c", "h:5/a:b:c")
        ),
    ],
)
def test_what_to_take_instead(name: str, hint: str) -> None:
    with pytest.raises(InvalidName) as caught:
        check_name(name)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("heads/base", "'base'"),
        ("tags/a/b", "'a/b'"),
        ("refs/heads/base", "'base'"),
        ("remotes/origin/base", "'origin/base'"),
        ("refs/x", "'x'"),
        ("refs/refs/x", "'x'"),
        ("refs/heads/tags/x", "'x'"),
        ("heads/heads/tags/a/b", "'a/b'"),
        ("heads/notes/x", "another"),
        ("heads/HEAD", "another"),
        ("tags/ORIG_HEAD", "another"),
        ("refs/heads/a..b", "another"),
        ("heads/", "another"),
        ("lxgit/deleted", "another"),
        ("lxgit/containers/x", "another"),
        ("lxgit/cache/x", "another"),
        ("notes/commits", "another"),
        ("bisect/bad", "another"),
    ],
)
def test_what_is_read_as_another_ref(name: str, instead: str) -> None:
    with pytest.raises(InvalidName) as caught:
        check_name(name)
    assert caught.value.hint == f"so begin the full names of refs: take {instead}"


def test_what_begins_like_another_ref_and_is_none() -> None:
    for name in ("lxgit/deletedthing", "headstrong", "heads", "tag/x", "notes", "bisected/bad"):
        check_name(name)


def test_what_git_names_refs_of_its_own() -> None:
    for name in ("FETCH_HEAD", "CHERRY_PICK_HEAD"):
        with pytest.raises(InvalidName) as caught:
            check_name(name)
        assert caught.value.hint == "so Git names refs of its own: take another"
    for name in ("AHEAD", "fetch_HEAD", "FETCH_HEAD2", "x/FETCH_HEAD"):
        check_name(name)


def test_short_ones() -> None:
    names = ["refs/heads/a/b", "refs/tags/v1", "refs/remotes/o/m", "refs/lxgit/x", "HEAD"]
    assert [short_name(name) for name in names] == ["a/b", "v1", "o/m", "lxgit/x", "HEAD"]
