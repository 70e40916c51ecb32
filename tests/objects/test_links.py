from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxgit.objects.links import InvalidLinks, Links, decode_links, encode_links

parts = st.binary(min_size=1, max_size=12).filter(
    lambda raw: not {0, 0x2F} & set(raw) and raw not in (b".", b"..")
)
paths = st.lists(parts, min_size=1, max_size=3).map(b"/".join)


@st.composite
def links(draw: st.DrawFn) -> Links:
    pool = draw(st.lists(paths, unique=True, max_size=12))
    groups: dict[int, list[bytes]] = {}
    for path in pool:
        groups.setdefault(draw(st.integers(0, 3)), []).append(path)
    return Links(groups.values())


@given(links())
def test_links_come_back(some: Links) -> None:
    assert decode_links(encode_links(some)) == some


@given(st.binary(max_size=60))
def test_what_is_read_is_the_only_spelling(data: bytes) -> None:
    try:
        some = decode_links(data)
    except InvalidLinks:
        return
    assert encode_links(some) == data


def test_order_and_escapes() -> None:
    some = Links([[b"z", b"b\tc"], [b"a\nb", b"a\\b"], [b"alone"]])
    assert encode_links(some) == b"a\\nb\ta\\\\b\nb\\tc\tz\n"
    assert some.group(b"z") == (b"b\tc", b"z")
    assert some.group(b"alone") == (b"alone",)


def test_paths_whose_group_differs() -> None:
    before = Links([[b"a", b"b", b"c"], [b"x", b"y"]])
    after = Links([[b"a", b"b"], [b"x", b"y"]])
    assert before.differing(after) == {b"a", b"b", b"c"}
    assert before.differing(before) == set()


@pytest.mark.parametrize(
    "data",
    [
        b"a\tb",
        b"a\n",
        b"b\ta\n",
        b"a\tb\na\tc\n",
        b"c\td\na\tb\n",
        b"a\ta\n",
        b"/a\tb\n",
        b"a/../b\tc\n",
        b"a//b\tc\n",
        b"\n",
        b"a\\x\tb\n",
        b"a\0\tb\n",
    ],
)
def test_other_spellings_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidLinks):
        decode_links(data)
