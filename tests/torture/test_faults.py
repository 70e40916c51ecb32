"""A disk that fails at the n-th write, flush, rename or link: said in a line, and nothing is lost.

strace(1) has one system call of an operation return an error: no space, over quota, input or output
error. Every call that changes the store or flushes it has its turn in `make torture`; in
`make test-scale` it is some of them, at random.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.torture import conftest
from tests.torture.machines import DATED, OPERATIONS, Operation
from tests.torture.tracing import FLUSHING, Traced
from tests.torture.verdict import State, faults, git_faults, ill_said, leftovers, temporary_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.torture.machines import Machine, Workshop

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.scale]

_FAILS = {
    "openat": ("ENOSPC", "EDQUOT"),
    "write": ("ENOSPC", "EDQUOT", "EIO"),
    "pwrite64": ("ENOSPC", "EIO"),
    "sendfile": ("ENOSPC",),
    "copy_file_range": ("ENOSPC",),
    "ftruncate": ("EIO",),
    "mkdir": ("ENOSPC", "EDQUOT"),
    "link": ("ENOSPC", "EIO"),
    "linkat": ("ENOSPC", "EIO"),
    "symlink": ("ENOSPC",),
    "rename": ("ENOSPC", "EIO"),
    "fchmod": ("EIO",),
    "fsync": ("EIO", "ENOSPC", "EDQUOT"),
}
_FEW = 8
_TRIED = [one for one in OPERATIONS if one.name not in ("materialise", "run", "start")]
"""A container's own processes would be hit as well as lxgit's."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The error of the `number`-th call of a name in a process."""

    name: str
    number: int
    error: str

    def __str__(self) -> str:
        return f"{self.error} from {self.name} {self.number}"

    @property
    def options(self) -> tuple[str, ...]:
        return (
            "--seccomp-bpf",
            f"--trace={self.name}",
            f"--inject={self.name}:error={self.error}:when={self.number}",
        )


@pytest.mark.timeout(0)
@pytest.mark.parametrize("operation", _TRIED, ids=lambda operation: operation.name)
def test_a_call_that_fails(operation: Operation, workshop: Workshop, scratch: Path) -> None:
    conftest.require(operation)
    machine = workshop.machine(operation)
    before = machine.before()
    possible, after = _possible(machine, scratch / "measured")
    if conftest.ROUNDS <= 20:
        source = random.Random(f"{conftest.SEED} {operation.name}")
        possible = source.sample(possible, min(_FEW, len(possible)))
    wrong = []
    for number, fault in enumerate(possible):
        found = _try(machine, scratch / str(number), fault, before, after)
        wrong += [f"{operation.name}, {fault}: {one}" for one in found]
    assert not wrong, "\n".join([f"seed {conftest.SEED}", *wrong])


def _possible(machine: Machine, directory: Path) -> tuple[list[Fault], State]:
    """Every fault that there can be of the command's own process, and the state after none."""
    lxgit = machine.copied(directory)
    with Traced(lxgit, machine.words(machine.operation.words), directory, env=DATED) as traced:
        calls = [call for call in traced.follow() if call.pid == traced.process.pid]
        traced.process.communicate()
    counts: dict[str, int] = {}
    found = []
    for call in calls:
        number = counts[call.name] = counts.get(call.name, 0) + 1
        flushes = call.name in FLUSHING and str(lxgit.store) in call.arguments
        if flushes or call.changes(lxgit.store):
            found += [Fault(call.name, number, error) for error in _FAILS.get(call.name, ())]
    return found, machine.state(lxgit.store)


def _try(
    machine: Machine, directory: Path, fault: Fault, before: State, after: State
) -> Iterator[str]:
    lxgit = machine.copied(directory)
    words = machine.words(machine.operation.words)
    with Traced(lxgit, words, directory, env=DATED, options=fault.options) as traced:
        # Each process counts its own calls: where one of a git's failed, the words about that may
        # be the next to fail, in lxgit.
        calls = list(traced.follow())
        _, said = traced.process.communicate()
        code, pid = traced.process.returncode, traced.process.pid
    if not any(one.failed and one.pid == pid and one.arguments.startswith("2<") for one in calls):
        yield from ill_said(code, said.decode(errors="replace"))
    done = after.without_containers_beside(before)
    yield from machine.state(lxgit.store).lost(before if code else done, done)
    yield from faults(lxgit.store)
    # Which call is the n-th varies a little: what cannot be opened to be removed stays until later.
    if not any(one.was_made_to_fail and one.only_opens for one in calls):
        left = (path for path in temporary_files(lxgit.store) if not _is_proof(lxgit.store / path))
        yield from (f"left {path}" for path in left)
    result, _ = machine.next(lxgit)
    if result.code:
        yield f"then {' '.join(result.arguments)}: {result.err.strip()}"
    yield from (f"left over: {path}" for path in leftovers(lxgit.store))
    yield from (f"in the end, {fault}" for fault in git_faults(lxgit.store))


def _is_proof(path: Path) -> bool:
    """Whether it is there to say that a container was deleted whose refs could not go yet."""
    return path.name.startswith(".gone-") and not os.listdir(path)
