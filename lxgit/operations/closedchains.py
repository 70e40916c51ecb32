"""Chains of the host's firewall that keep containers on a bridge from the world."""

from __future__ import annotations

import contextlib

from lxgit.errors import LxgitError
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.progress import Progress
    from lxgit.runtime.network.neighbours import Chain


class ClosedChain(NamedTuple):
    """A chain of the host's that lets nothing from or to a bridge through; what would open it."""

    name: str
    opening: str


def closed_chains() -> list[ClosedChain]:
    """Those of an administrator's own: others are told by lxgit to let a bridge through.

    OSError where the kernel does not say; ProgramFailed, MissingProgram.
    """
    from lxgit.runtime.network import neighbours, records

    return [
        ClosedChain(str(chain), f"nft '{_opening(chain, records.NAMES)}'")
        for chain in neighbours.closed(neighbours.all_chains())
    ]


def _opening(chain: Chain, names: str) -> str:
    return "; ".join(
        f'insert rule {chain} {direction} "{names}*" accept' for direction in ("iifname", "oifname")
    )


def warn_of_closed_chains(progress: Progress) -> None:
    """Tell of what is about to keep a container on a bridge from the world."""
    with contextlib.suppress(OSError, LxgitError):  # the bridge tells of what is missing
        for chain in closed_chains():
            progress.warn(
                f"nftables' chain '{chain.name}' drops what this container's bridge forwards;"
                f" to open it: {chain.opening}"
            )
