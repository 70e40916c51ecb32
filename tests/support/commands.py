"""The commands of the program, one by one."""

from __future__ import annotations

from lxgit.cli.commands import Family, Listed, entries


def all_commands() -> list[Listed]:
    """Every command by its whole name, those of one word first, in the order of the help."""
    members = [
        member._replace(name=f"{family.name} {member.name}")
        for family in entries()
        if isinstance(family, Family)
        for member in family.members()
    ]
    return [*(each for each in entries() if isinstance(each, Listed)), *members]
