"""What `RUN --mount=…` asks for."""

from __future__ import annotations

import re

import pytest

from lxgit.build.runmounts import origin_of, run_mount
from lxgit.errors import LxgitError


def test_a_path_with_a_comma_stands_in_quotes() -> None:
    text = 'type=bind,"from=a,b","source=/c,d",target=e,RW'
    mount = run_mount(text, "/srv")
    assert (mount.origin, mount.source, mount.target) == ("a,b", "/c,d", "/srv/e")
    assert not mount.read_only
    assert origin_of(text) == "a,b"


@pytest.mark.parametrize(
    ("text", "size"), [("64m", 64 << 20), ("1.5g", 3 << 29), ("1GiB", 1 << 30), ("100", 100)]
)
def test_sizes_are_those_of_every_other_option(text: str, size: int) -> None:
    assert run_mount(f"type=tmpfs,target=/t,size={text}", "/").size == size


@pytest.mark.parametrize("word", ["required", "required=", "required=True", "required=1"])
def test_switches(word: str) -> None:
    assert run_mount(f"type=secret,id=key,{word}", "/").required


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("type=bind,dst=/a,target=/b", "says 'target' twice"),
        ("type=bind,target", "it has no target"),
        ('type=bind,"target=/a', "is no list of KEY=VALUE"),
        ("type=tmpfs,target=/t,size=1x", "--mount size takes a size, and '1x' is none"),
        ("type=cache,target=/t,ro=yes", "'readonly' is not 'yes'"),
        ("type=cache,target=/t,mode", "mode= is no mode"),
        ("type=cache,target=/t,required", "takes no 'required'"),
    ],
)
def test_what_is_refused(text: str, fault: str) -> None:
    with pytest.raises(LxgitError, match=re.escape(fault)):
        run_mount(text, "/")
