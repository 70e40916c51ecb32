"""What `RUN --mount` shows, where two steps want the same, or a step twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

LOCKED = "--mount=type=cache,sharing=locked"


def build(lxgit: Lxgit, line: str, *options: str, code: int = 0) -> str:
    """What a build says whose one step is that line."""
    words = ("build", "-q", "--network", "none", *options, "-")
    result = lxgit(*words, stdin=f"FROM base\n{line}\n".encode(), code=code, timeout=60)
    return result.err if code else result.out.strip()


def test_caches_that_are_locked(based: Lxgit) -> None:
    """One of them twice in a step; two of them by two steps, each in its own order."""
    twice = f"RUN {LOCKED},id=a,target=/a {LOCKED},id=a,target=/b echo x >/a/x && cp /b/x /made"
    assert based("show", f"{build(based, twice)}:/made").out == "x\n"
    a, b = (f"{LOCKED},id={name},target=/{name}" for name in "ab")
    with ThreadPoolExecutor() as pool:
        lines = (f"RUN {one} {other} sleep 0.2" for one, other in ((a, b), (b, a)))
        assert all(pool.map(lambda line: build(based, line), lines))


def test_a_variable_has_no_nul(based: Lxgit, scratch: Path) -> None:
    secret = scratch / "secret"
    secret.write_bytes(b"a\0b")
    given = ("--secret", f"id=key,src={secret}")
    said = build(based, "RUN --mount=type=secret,id=key,env=KEY true", *given, code=1)
    assert "the secret 'key' has a NUL" in said
    made = build(based, "RUN --mount=type=secret,id=key cp /run/secrets/key /made", *given)
    assert based("show", f"{made}:/made").out == "a\0b"


def test_files_with_a_comma_in_their_names(based: Lxgit, scratch: Path) -> None:
    """Quotes as in CSV, of which a Dockerfile takes its own away first."""
    (scratch / "a,b").write_text("told\n")
    given = ("--secret", f'id=key,"src={scratch}/a,b"')
    line = """RUN --mount='type=secret,id=key,"target=/c,d"' cp /c,d /made"""
    assert based("show", f"{build(based, line, *given)}:/made").out == "told\n"
    for twice in ("id=key,id=other", "id=key,src=/a,source=/b"):
        assert "twice" in build(based, "RUN true", "--secret", twice, code=2)
