"""search: in a real registry, in an index such as Docker Hub's, and where a server lies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lxgit.cli.dispatch import run_command_line
from lxgit.operations import searching
from lxgit.operations.searching import Found, SearchFailed, search
from tests.support.registry import PASSWORD, USER, Registry
from tests.support.webserver import Index, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.program import Lxgit

CENTOS = {
    "num_results": 4,
    "query": "centos",
    "results": [
        {"name": "centos", "description": "", "star_count": 9, "is_official": True},
        {"name": "backjlack/centos-6.4-x86_64", "description": None},
        {"name": "creack/centos"},
        {
            "name": "mbkan/lamp",
            "description": "centos with ssh, LAMP, PHPMyAdmin(root password 'centos')",
            "is_automated": True,
        },
    ],
}


@pytest.fixture
def index() -> Iterator[Index]:
    with serving(Index()) as server:
        server.answers["/v1/search"] = json.dumps(CENTOS).encode(), {}
        yield server


def found(index: Index, word: str = "x", limit: int = 25) -> list[Found]:
    return search(f"{index.host}/{word}", limit=limit, environment={})


def test_the_hub_as_in_the_article(
    index: Index, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(searching, "_INDEX", f"http://{index.host}")
    assert run_command_line(["search", "centos"]) == 0
    assert capfd.readouterr().out == (
        'Found 4 results matching your query ("centos")\n'
        "NAME                          DESCRIPTION\n"
        "centos\n"
        "backjlack/centos-6.4-x86_64\n"
        "creack/centos\n"
        "mbkan/lamp                    centos with ssh, LAMP, PHPMyAdmin(root pas...\n"
    )
    assert index.asked == ["/v1/search?q=centos&n=25"]
    assert run_command_line(["search", "--no-trunc", "--limit", "4", "centos"]) == 0
    assert "PHPMyAdmin(root password 'centos')\n" in capfd.readouterr().out
    assert index.asked[1] == "/v1/search?q=centos&n=4"


def test_a_word_that_is_no_text(index: Index) -> None:
    found(index, "\udcff")
    assert index.asked == ["/v1/search?q=%FF&n=25"]


def test_forms(lxgit: Lxgit, index: Index) -> None:
    term = f"{index.host}/a b"
    (official, *_, automated) = lxgit("search", "--format", "json", term).json
    assert official == {
        "Name": f"{index.host}/centos",
        "Description": "",
        "StarCount": 9,
        "IsOfficial": True,
        "IsAutomated": False,
    }
    assert automated["IsAutomated"] is True
    assert automated["Description"].endswith("'centos')")
    assert index.asked == ["/v1/search?q=a+b&n=25"]
    assert lxgit("search", "-q", "--limit", "2", term).lines == [
        f"{index.host}/centos",
        f"{index.host}/backjlack/centos-6.4-x86_64",
    ]
    stars = lxgit("search", "--format", "{{.StarCount}} {{.IsOfficial}}", "--limit", "1", term)
    assert stars.out == "9 true\n"
    assert lxgit("search", "--limit", "0", term, code=2).err.startswith("lxgit: --limit is 1 to")


@pytest.mark.root
def test_a_registry_lists_what_it_has(based: Lxgit, open_registry: Registry) -> None:
    for name in ("centos", "team/centos-tools", "debian"):
        based("push", "-q", "base", f"{open_registry.host}/{name}")
    host = open_registry.host
    assert based("search", f"{host}/centos").lines == [
        f'Found 2 results matching your query ("{host}/centos")',
        f"NAME{' ' * (len(host) + 17)}DESCRIPTION",
        f"{host}/centos",
        f"{host}/team/centos-tools",
    ]
    assert based("search", "-q", f"{host}/").lines == [
        f"{host}/{name}" for name in ("centos", "debian", "team/centos-tools")
    ]
    assert based("search", "-q", f"{host}/none").lines == []


@pytest.mark.root
def test_a_registry_lists_page_by_page(
    based: Lxgit, open_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        based("push", "-q", "base", f"{open_registry.host}/{name}")
    monkeypatch.setattr(searching, "_PAGE", 1)
    names = [each.name for each in search(f"{open_registry.host}/", limit=9, environment={})]
    assert names == [f"{open_registry.host}/{name}" for name in ("a", "b", "c")]
    pages = [path for _, path in open_registry.asked() if "_catalog" in path]
    assert len(pages) >= 3


@pytest.mark.root
def test_a_private_registry_knows_who_asks(based: Lxgit, private_registry: Registry) -> None:
    host = private_registry.host
    keys = {"REGISTRY_AUTH_FILE": str(based.home / "auth.json")}
    refused = based("search", f"{host}/base", env=keys, code=1)
    assert refused.err == (
        f"lxgit: '{host}': 401 Unauthorized\nhint: 'lxgit login {host}' says who you are\n"
    )
    secret = PASSWORD.encode()
    based("login", "-u", USER, "--password-stdin", host, stdin=secret, env=keys)
    based("push", "-q", "base", f"{host}/base", env=keys)
    assert based("search", "-q", f"{host}/base", env=keys).lines == [f"{host}/base"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Sign in</html>",
        b"[]",
        b"{}",
        b'{"repositories": {"a": "b"}}',
        b'{"repositories": [["a"]]}',
        b"[" * 100_000,
        b'{"repositories": [' + b"9" * 10_000 + b"]}",
        b"\xff\xfe",
    ],
)
def test_nonsense(index: Index, body: bytes) -> None:
    index.answers = {"/v1/search": (body, {}), "/v2/_catalog": (body, {})}
    with pytest.raises(SearchFailed, match="answers with what is no list of images"):
        found(index)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"name": 1}, None),
        ({}, None),
        ("name", None),
        ({"name": "a", "description": ["x"], "star_count": "many"}, Found("a")),
        ({"name": "a", "is_official": "yes"}, Found("a")),
    ],
)
def test_results_that_are_none(index: Index, answer: object, expected: Found | None) -> None:
    index.answers = {"/v1/search": (json.dumps({"results": [answer]}).encode(), {})}
    if expected is None:
        with pytest.raises(SearchFailed):
            found(index)
    else:
        assert found(index) == [expected._replace(name=f"{index.host}/a")]


def test_answers_without_end(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.answers = {"/v2/_catalog": (b'{"repositories": ["a"]}', {"Link": '<?n=1>; rel="next"'})}
    monkeypatch.setattr(searching, "_MOST_PAGES", 20)
    with pytest.raises(SearchFailed, match="lists images without end"):
        found(index)
    index.answers = {"/v1/search": (b" " * 200_000, {})}
    monkeypatch.setattr(searching, "_MOST_SAID", 100_000)
    with pytest.raises(SearchFailed, match="answers with over"):
        found(index)
    monkeypatch.setattr(searching, "_WITHIN", -1.0)
    with pytest.raises(SearchFailed, match="no answer"):
        found(index)


def test_a_list_goes_on_at_the_same_registry(index: Index) -> None:
    """Whatever its `Link` says: not on another host, nor at another path."""
    with serving(Index()) as other:
        link = {"Link": f'<http://{other.host}/v1/secret?last=a>; rel="next"'}
        index.answers = {"/v2/_catalog": (b'{"repositories": ["a"]}', link)}
        with pytest.raises(SearchFailed):
            found(index)
        assert other.asked == []
    assert set(index.asked[2:]) == {"/v2/_catalog?last=a"}


def test_names_cannot_write_to_the_terminal(lxgit: Lxgit, index: Index) -> None:
    evil = {"name": "a\x1b]0;x\x07\nb", "description": "c\x1b[2J\r\nd"}
    index.answers = {"/v1/search": (json.dumps({"results": [evil]}).encode(), {})}
    for options in ((), ("-q",), ("--format", "json")):
        out = lxgit("search", *options, f"{index.host}/x").out
        assert not {"\x1b", "\x07", "\r"} & set(out)


def test_the_password_stays_with_its_registry(index: Index, lxgit: Lxgit) -> None:
    """A registry that leads elsewhere does not hand on who one is."""
    keys = lxgit.home / "auth.json"
    with serving(Index()) as other:
        keys.write_text(json.dumps({"auths": {other.host: {"auth": "YTpi"}}}))
        lxgit("search", f"{other.host}/x", env={"REGISTRY_AUTH_FILE": str(keys)}, code=1)
        assert set(other.heard) == {"Basic YTpi"}
        other.heard.clear()
        index.leads_to = f"http://{other.host}/v1/search"
        keys.write_text(json.dumps({"auths": {index.host: {"auth": "YTpi"}}}))
        lxgit("search", f"{index.host}/x", env={"REGISTRY_AUTH_FILE": str(keys)}, code=1)
    assert set(other.heard) == {None}
