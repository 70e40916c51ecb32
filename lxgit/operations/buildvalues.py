"""What a build is asked for, what it tells meanwhile, and what comes of it."""

from __future__ import annotations

from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    class Teller(Protocol):
        """Who hears of each step of a build."""

        def begins(self, text: str, parent: str) -> None:
            """An instruction, and the commit that it is about to change, 40 digits; "" for FROM."""

        def pulls(self, line: str) -> None:
            """What is fetched for a FROM, line by line."""

        def made(self, commit: str, *, cached: bool) -> None:
            """The commit that has come of it; `cached` was there already."""


class BuildRequest(NamedTuple):
    """What `build` asks for; see `lxgit build --help`.

    `names` are as `-t` takes them. `arguments` is `--build-arg`, by name; `secrets` has the content
    of each by its id. `hosts` are lines of /etc/hosts, `NAME:ADDRESS`; `memory` and `shm_size` are
    in bytes, `ulimits` as `run` takes them. `proxies` are the variables of the environment by which
    ADD fetches, and `registries` those by which FROM does.
    """

    names: tuple[str, ...] = ()
    arguments: Mapping[str, str] = {}
    secrets: Mapping[str, bytes] = {}
    proxies: Mapping[str, str] = {}
    registries: Mapping[str, str] = {}
    target: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    network: str | None = None
    hosts: tuple[str, ...] = ()
    memory: int | None = None
    shm_size: int | None = None
    ulimits: tuple[str, ...] = ()
    platform: str | None = None
    message: str | None = None
    use_cache: bool = True
    pull: bool = False
    force: bool = False


class Built(NamedTuple):
    """What a build made: the id of the last commit."""

    oid: str
