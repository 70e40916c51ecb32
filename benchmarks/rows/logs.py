"""The log of a long branch: against Git's own, in the same repository."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING

from benchmarks.branch import BRANCH, RARE, grow
from benchmarks.harness import Contest, Row
from benchmarks.programs import Program, environment
from benchmarks.workbench import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.store import Store
    from benchmarks.workbench import Workbench


def rows(bench: Workbench) -> list[Row]:
    store = cache(partial(_long_branch, bench))
    about = f"{bench.inputs.commits:,} commits, Python's start-up (`--version`) subtracted"

    def row(name: str, words: tuple[str, ...], git: tuple[str, ...]) -> Row:
        shown = " ".join(("log", *words)).replace(f" {BRANCH}", "")
        setup = partial(_contest, store, words, git)
        return Row(name, f"`{shown}` on {about}", "`git log`", setup, reach=2, rounds=15)

    return [
        row("log-n", ("-n", "20", BRANCH), ("-n", "20", BRANCH)),
        row("log-path", (BRANCH, "--", RARE), (BRANCH, "--", f"rootfs{RARE}")),
    ]


def _long_branch(bench: Workbench) -> Store:
    """A store with such a branch, as garbage collection leaves it."""
    store = bench.new_store(bench.inputs.small)
    grow(store.directory / "git", IMAGE, bench.inputs.commits)
    store.collect_garbage()
    return store


@contextmanager
def _contest(
    store: Callable[[], Store], words: tuple[str, ...], git_words: tuple[str, ...]
) -> Iterator[Contest]:
    program, directory = store().program, store().directory
    git = Program(
        (shutil.which("git") or "/usr/bin/git", f"--git-dir={directory / 'git'}"),
        {**environment(directory), "GIT_CONFIG_NOSYSTEM": "1"},
    )
    yield Contest(
        lambda: program.seconds("log", *words) - program.seconds("--version"),
        partial(git.seconds, "log", *git_words),
    )
