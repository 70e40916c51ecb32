"""Branches that get a name which another is in the way of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit


def test_renaming_to_what_cannot_be_beside_it(grown: Lxgit, git: StockGit) -> None:
    for old, new in (("base", "base/a"), ("base/a", "base")):
        tip = git.word("rev-parse", old)
        failed = grown("branch", "-m", old, new, code=1)
        assert f"'{new}' cannot be beside '{old}'" in failed.err
        first, second = re.findall(r"'lxgit (branch -m [^']+)'", failed.err)
        grown(*first.split())
        grown(*second.split())
        assert git.word("rev-parse", new) == tip
        assert git.word("for-each-ref", "--format=%(refname:short)", "refs/heads/base") == new
