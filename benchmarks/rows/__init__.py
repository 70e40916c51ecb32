"""The rows of the table, one module for each part of lxgit that is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.rows import (
    bridged,
    builds,
    commits,
    comparing,
    containers,
    imports,
    logs,
    memory,
    running,
    sending,
    sizes,
    startup,
    systems,
)

if TYPE_CHECKING:
    from benchmarks.harness import Row
    from benchmarks.workbench import Workbench

MODULES = (
    *(startup, imports, containers, running, builds, sending, systems, bridged),
    *(comparing, commits, logs, sizes, memory),
)


def all_rows(bench: Workbench) -> list[Row]:
    """Every row, in the order of the table; nothing is prepared yet."""
    return [row for module in MODULES for row in module.rows(bench)]
