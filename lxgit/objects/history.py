"""Walking the commits, and how they stand to each other: `git rev-list` finds, this reads."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from lxgit.objects.commits import Commit, decode_commit
from lxgit.objects.ids import ObjectID, from_hex, hex_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.git import Git

EVERYWHERE = ("--branches", "--tags", "--remotes")
"""For `walk`: from every branch and tag, though not from the refs that lxgit keeps for itself."""


def walk(
    git: Git,
    objects: ObjectDatabase,
    arguments: Sequence[str],
    *,
    limit: int | None = None,
    first_parent: bool = False,
    paths: Sequence[bytes] = (),
) -> Iterator[tuple[ObjectID, Commit]]:
    """The commits that `git log` shows, in its order, as they are found.

    `arguments` are those of `Revisions.range_arguments`, EVERYWHERE, or both. `paths`, as stored
    in the tree (`rootfs/etc/%meta`), leave the commits that changed one of them, or what is below.
    """
    if not arguments or limit == 0:
        return
    command = ["rev-list"]
    if limit is not None:
        command.append(f"--max-count={limit}")
    if first_parent:
        command.append("--first-parent")
    literal = [f":(top,literal){os.fsdecode(path)}" for path in paths]
    with closing(git.lines([*command, *arguments, "--", *literal])) as lines:
        for line in lines:
            oid = from_hex(line)
            yield oid, decode_commit(objects.commit(oid))


def is_ancestor(git: Git, ancestor: ObjectID, descendant: ObjectID) -> bool:
    """Whether `descendant` is the same commit or has `ancestor` in its history."""
    if ancestor == descendant:
        return True
    command = ["rev-list", "--max-count=1", hex_id(ancestor), f"^{hex_id(descendant)}"]
    return not git.run(command)


def merge_bases(git: Git, one: ObjectID, other: ObjectID) -> list[ObjectID]:
    """The best common ancestors (git-merge-base(1)); none of unrelated histories."""
    answer = git.run(["merge-base", "--all", hex_id(one), hex_id(other)], ok=(0, 1))
    return [from_hex(line) for line in answer.split()]
