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
def context(scratch: Path) -> Path:
    path = scratch / "context"
    path.mkdir()
    (path / "file").write_text("text\n")
    return path


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
