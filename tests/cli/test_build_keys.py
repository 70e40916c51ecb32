"""What a step of a build hangs on: what its variables stand for is part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

COPYING = """\
FROM base
ARG TO=/one
ARG WHO=0
ARG MODE=644
COPY --chown=$WHO --chmod=$MODE file $TO
"""


def built(lxgit: Lxgit, context: Path, text: str, *arguments: str) -> str:
    """The id of what a Dockerfile comes to, each of the `arguments` a --build-arg."""
    (context / "Dockerfile").write_text(text)
    options = [word for one in arguments for word in ("--build-arg", one)]
    return lxgit("build", "-q", "--network", "none", *options, context).out.strip()


@pytest.fixture
def context(context: Path) -> Path:
    (context / "file").write_text("text\n")
    return context


def test_where_a_copy_goes_and_whose_it_is(based: Lxgit, context: Path) -> None:
    first = built(based, context, COPYING)
    assert built(based, context, COPYING, "TO=/one") == first
    changed = [built(based, context, COPYING, one) for one in ("TO=/two", "WHO=7", "MODE=600")]
    assert len({first, *changed}) == 4
    assert based("show", f"{changed[0]}:/two").out == "text\n"
    for made, mode in ((first, "-rw-r--r--"), (changed[2], "-rw-------")):
        assert mode in based("ls", "-l", f"{made}:/one").out


@pytest.mark.parametrize("line", ["ENV A=$X", "LABEL a=$X", "USER $X", "WORKDIR /$X", "EXPOSE $X"])
def test_what_the_config_says(based: Lxgit, context: Path, line: str) -> None:
    text = f"FROM base\nARG X=1\n{line}\n"
    first = built(based, context, text)
    assert built(based, context, text, "X=1") == first
    assert built(based, context, text, "X=2") != first


def test_a_here_document_that_is_a_program(based: Lxgit, context: Path) -> None:
    """Whom its first line names runs it; its text is part of the key."""
    text = "FROM base\nUSER 7\nRUN <<EOF\n#!/bin/sed 2w/tmp/out\nsaid\nEOF\n"
    first = built(based, context, text)
    assert based("show", f"{first}:/tmp/out").out == "said\n"
    assert based("ls", f"{first}:/run").out == based("ls", "base:/run").out
    assert built(based, context, text) == first
    other = built(based, context, text.replace("said", "other"))
    assert based("show", f"{other}:/tmp/out").out == "other\n"


def test_stages_that_mounts_name_are_built_in_order(based: Lxgit, context: Path) -> None:
    """Not one within the other, however many there are."""
    text = "FROM base AS s0\nLABEL a=b\n"
    for number in range(1, 4):
        mount = f"--mount=from=s{number - 1},target=/m"
        text += f"FROM base AS s{number}\nLABEL n={number}\nRUN {mount} true\n"
    (context / "Dockerfile").write_text(text)
    lines = based("build", "--network", "none", context).lines
    begun = [line for line in lines if line.startswith(("FROM", "RUN"))]
    assert [line.split()[0] for line in begun] == ["FROM", *["FROM", "RUN"] * 3]
    at = [number for number, line in enumerate(lines) if line.startswith("FROM base AS s")]
    told = [number for number, line in enumerate(lines) if line.startswith("LABEL")]
    assert all(a < b for a, b in zip(at, told, strict=True))
    assert all(b < a for a, b in zip(at[1:], told, strict=False))
