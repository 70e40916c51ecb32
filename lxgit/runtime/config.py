"""What a container's directory says of it, as values and as JSON (format.md, "Containers").

`config.json` and `state.json` are JSON objects with the fields of their class, and a checksum.
"""

from __future__ import annotations

import json
import time

from lxgit.errors import LxgitError
from lxgit.lean import cache
from lxgit.objects.ids import from_hex
from lxgit.records import asdict, dataclass, fields, replace
from lxgit.runtime.checksums import is_whole, with_checksum
from lxgit.runtime.health import Health, HealthCheck, HealthResult
from lxgit.runtime.idmap import Extent, IdMap
from lxgit.runtime.index import is_id, is_name
from lxgit.runtime.limits import DEFAULT_LOG, DEFAULT_SHM, NO_LIMITS, Limits
from lxgit.runtime.restarts import NEVER, RestartPolicy
from lxgit.runtime.security import USUAL, Security

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from lxgit.runtime.mounts import Mount
    from lxgit.runtime.network.endpoint import Endpoint

CREATED, RUNNING, EXITED = "created", "running", "exited"
RESTARTING = "restarting"  # it has ended, and is about to be started again
_STATUSES = (CREATED, RUNNING, RESTARTING, EXITED)
UPPER, OTHER = "upper", "upper.other"  # each takes over from the other
PASSING = "passing"  # of what goes when it has ended
UPPERS = (UPPER, OTHER, PASSING)
"""The names that an upper directory may have."""
_UNREADABLE = "state.json is damaged: what became of it is not known"


class InvalidRecord(LxgitError):
    """Bytes that are not the record they should be."""


NO_BRIDGE = ("none", "host", "user")
"""What a container has in the place of a network on a bridge."""
SHARED = "container:"
"""Before the id of the container whose network another has."""
BUILT_IN = ("bridge", *NO_BRIDGE)
"""The networks that every store has; nobody made them, and nobody deletes them."""
DEFAULT = "default"
"""The one of them that a container has for which none was named."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A network of bridges that a container is on, by its name, and what it has there."""

    network: str
    aliases: tuple[str, ...] = ()  # what the others there may call it besides its names
    address: str = ""  # of IPv4; "" for any
    mac: str = ""  # 02:00:00:00:00:01; "" for any


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a container runs, whatever its name, its ids and the commit that it stands on."""

    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()  # NAME=VALUE
    working_dir: str = "/"
    user: str = ""
    groups: tuple[str, ...] = ()  # of its user, by name or number, beside those that it has
    tty: bool = False
    stdin_open: bool = False
    network: str = "none"  # or "host", "user", "bridge", the name of one, "container:" and an id
    aliases: tuple[str, ...] = ()  # on that network, as `address` and `mac`: see Attachment
    address: str = ""
    mac: str = ""
    connected: tuple[Attachment, ...] = ()  # to further ones
    publish: tuple[str, ...] = ()  # as `-p` takes them
    exposed: tuple[str, ...] = ()  # PORT/PROTOCOL
    publish_all: bool = False
    dns: tuple[str, ...] = ()  # addresses of resolvers, in place of the host's
    dns_search: tuple[str, ...] = ()  # in place of the host's; "." for none
    dns_options: tuple[str, ...] = ()  # as resolv.conf(5) has them, in place of the host's
    extra_hosts: tuple[str, ...] = ()  # NAME:ADDRESS
    privileged: bool = False
    system: bool = False  # it boots: its first process is an init
    halt: tuple[str, ...] = ()  # a command in it that ends it, in the place of the stop signal
    read_only: bool = False  # the root; what is mounted on it is as it says itself
    mounts: tuple[Mount, ...] = ()  # in the order in which they are mounted
    shm_size: int = DEFAULT_SHM  # bytes of /dev/shm
    limits: Limits = NO_LIMITS
    oom_score: int = 0  # how soon the kernel kills it for want of memory: -1000 to 1000
    security: Security = USUAL
    init: bool = False  # process 1 is the launcher, which reaps
    stop_signal: str = ""  # empty: SIGTERM
    stop_timeout: int | None = None  # seconds; None: 10
    labels: tuple[str, ...] = ()  # NAME=VALUE
    restart: RestartPolicy = NEVER
    health: HealthCheck | None = None
    log_size: int | None = DEFAULT_LOG  # bytes; None: no limit
    remove: bool = False  # it goes when it has ended
    owner: str = ""  # the command that it ends and goes with (lifetime.py)

    @property
    def passes(self) -> bool:
        """Whether it is deleted when it has ended."""
        return self.remove or bool(self.owner)

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The networks of bridges that it is on; its ports are published from the first."""
        if self.network in NO_BRIDGE or self.shares:
            return ()
        return Attachment(self.network, self.aliases, self.address, self.mac), *self.connected

    @property
    def shares(self) -> str:
        """The id of the container whose network it has; "" for one with its own."""
        return self.network[len(SHARED) :] if self.network.startswith(SHARED) else ""

    @property
    def networks(self) -> tuple[str, ...]:
        """All that it has of its own, by their names."""
        if self.shares:
            return ()
        return tuple(one.network for one in self.attachments) or (self.network,)

    @property
    def publishes(self) -> bool:
        """Whether it is to have ports of the host."""
        return bool(self.publish or self.publish_all)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerConfig(Settings):
    """What was asked for. `idmap` is container id → host id; None is the host's own ids."""

    id: str
    name: str
    created: int  # nanoseconds since 1970
    image: str  # as it was typed
    hostname: str
    idmap: IdMap | None
    commit: str  # its parent: 40 hexadecimal digits
    branch: str | None  # None: of no branch, as with a detached HEAD
    stack: tuple[str, ...]  # layer ids it is mounted on, in the order of its creator
    # The commit that the stack shows; None: `commit`. They differ once a commit was made of it
    # whose upper directory has not become a layer (yet): see `Container.mounted`.
    base: str | None = None
    upper: str = UPPER  # its upper directory: another takes over with the record

    @property
    def ids(self) -> IdMap:
        """The map of its inodes in the upper directory."""
        return self.idmap or IdMap.identity()


@dataclass(frozen=True, slots=True)
class ContainerState:
    """What became of it. Times are nanoseconds since 1970."""

    status: str = CREATED
    pid: int | None = None  # the first process, as the host numbers it
    supervisor: int | None = None
    started: int | None = None
    finished: int | None = None
    exit_code: int | None = None
    error: str | None = None  # why it could not start, or how it was lost
    paused: bool = False  # it runs, and stands still
    oom_killed: bool = False  # it wanted more memory than its limit, and a process was killed
    pids_refused: bool = False  # it wanted more processes than its limit
    stopped: bool = False  # a user has ended it, so no policy starts it again
    shut_down: bool = False  # it was ended with the host, and its policy rests until the next boot
    kept: bool = False  # it runs, and a keeper waits for its end (keeper.py)
    restarts: int = 0  # how often its policy has started it
    health: Health | None = None  # while it runs, and is checked
    endpoint: Endpoint | None = None  # while it runs, and is on a bridge

    @classmethod
    def unknown(cls, config: ContainerConfig, *, lives: bool) -> ContainerState:
        """That of a container whose state.json is damaged.

        It is taken to have been started, so that nobody fills its volumes anew, and to have been
        stopped, so that no boot starts what a user had ended.
        """
        return cls(
            status=RUNNING if lives else EXITED,
            started=config.created,
            error=_UNREADABLE,
            stopped=True,
        )

    @property
    def is_alive(self) -> bool:
        """Whether it runs, or is about to again, as far as this goes."""
        return self.status in (RUNNING, RESTARTING)

    @property
    def waits(self) -> bool:
        """Whether a keeper waits to start it again: not before its record is free (`edited`)."""
        return self.status == RESTARTING and self.supervisor is not None

    def ended(self) -> ContainerState:
        """The same of a container that runs no more."""
        return replace(
            self,
            status=EXITED,
            pid=None,
            supervisor=None,
            paused=False,
            kept=False,
            endpoint=None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Settings):
    """A container to be made; what is None is chosen for it."""

    image: str
    commit: str
    branch: str | None
    stack: tuple[str, ...]
    outside_range: tuple[int, ...] = ()  # ids from 65,536 up that the stack uses
    name: str | None = None
    hostname: str | None = None
    host_ids: bool = False

    def given(self, identity: str, name: str, idmap: IdMap | None) -> ContainerConfig:
        """What it becomes once its id, its name and its host's ids are known."""
        return ContainerConfig(
            id=identity,
            name=name,
            created=time.time_ns(),
            image=self.image,
            hostname=self.hostname or identity[:12],
            idmap=idmap,
            commit=self.commit,
            branch=self.branch,
            stack=self.stack,
            upper=PASSING if self.passes else UPPER,
            **{field.name: getattr(self, field.name) for field in fields(Settings)},
        )


if TYPE_CHECKING:
    Record = TypeVar("Record", ContainerConfig, ContainerState)


def encoded(record: ContainerConfig | ContainerState) -> bytes:
    """A record as JSON, with its checksum."""
    return with_checksum(asdict(record))


def decoded_config(data: bytes) -> ContainerConfig:
    """The configuration that `encoded` made this of. Raises InvalidRecord."""
    return _decoded(ContainerConfig, data)


def decoded_state(data: bytes) -> ContainerState:
    """The state that `encoded` made this of. Raises InvalidRecord."""
    return _decoded(ContainerState, data)


def _decoded(record: type[Record], data: bytes) -> Record:
    try:
        values = json.loads(data.decode("utf-8"))
        found: Record = _built(record, values)
        cls: type = record
        if not is_whole(data, values, _readers(cls)):
            raise InvalidRecord("a record that is not what was written")
        _check_forms(found)
    except (ValueError, KeyError, TypeError, RecursionError, LxgitError) as error:
        raise InvalidRecord(f"a record that cannot be read: {error}") from error
    return found


def _check_forms(record: ContainerConfig | ContainerState) -> None:
    """Raise LxgitError for texts that others take for what they are not."""
    if isinstance(record, ContainerState):
        if record.status not in _STATUSES:
            raise InvalidRecord(f"no state of a container: '{record.status}'")
        return
    from_hex(record.commit)
    if record.base is not None:
        from_hex(record.base)
    if not is_id(record.id) or not is_name(record.name):
        raise InvalidRecord(f"neither a container's id nor its name: {record.id}, {record.name}")
    if record.upper not in UPPERS:
        raise InvalidRecord(f"no name of an upper directory: {record.upper}")


def _built(record: Any, values: object) -> Any:  # noqa: ANN401 - a dataclass
    """A record of its fields as JSON has them: arrays are tuples, some objects values."""
    if not isinstance(values, dict):
        raise InvalidRecord("a record that is no JSON object")
    read = _readers(record)
    return record(**{name: read[name](value) for name, value in values.items() if name in read})


@cache
def _readers(record: type) -> dict[str, Callable[[Any], Any]]:
    """What makes the fields of a class of JSON's values, by their names."""
    return {
        name: _READERS[kind]
        for cls in record.__mro__
        for name, kind in cls.__dict__.get("__annotations__", {}).items()  # noqa: RUF063
    }


def _plain(*types: type) -> Callable[[Any], Any]:
    """What takes a value of these types as it is. True is no number."""

    def read(value: object) -> object:
        if type(value) not in types:
            raise InvalidRecord(f"not what should be there: {value!r}")
        return value

    return read


def _number(value: object) -> int:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise InvalidRecord(f"no number of 64 bits: {value!r}")
    return value


def _texts(values: object) -> tuple[str, ...]:
    if type(values) is not list or not all(type(value) is str for value in values):
        raise InvalidRecord(f"no list of texts: {values!r}")
    return tuple(values)


def _pair(values: list[Any]) -> tuple[int, int]:
    first, second = map(_number, values)
    return first, second


def _mount(values: object) -> object:
    from lxgit.runtime import mounts  # few containers have any

    return _built(mounts.Mount, values)


def _endpoint(values: object) -> object:
    from lxgit.runtime.network import endpoint  # of those that run

    return _built(endpoint.Endpoint, values)


def _nested(record: type) -> Callable[[Any], object]:
    """What builds a value of a class of its own."""
    return lambda values: _built(record, values)


def _each(read: Callable[[Any], Any]) -> Callable[[list[Any]], tuple[Any, ...]]:
    return lambda values: tuple(map(read, values))


def _or_none(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


_READERS: dict[str, Callable[[Any], Any]] = {
    "bool": _plain(bool),
    "int": _number,
    "int | None": _or_none(_number),
    "float": _plain(float, int),
    "float | None": _plain(float, int, type(None)),
    "str": _plain(str),
    "str | None": _plain(str, type(None)),
    "tuple[int, int]": _pair,
    "tuple[str, ...]": _texts,
    "tuple[Attachment, ...]": _each(_nested(Attachment)),
    "tuple[Extent, ...]": _each(_nested(Extent)),
    "tuple[HealthResult, ...]": _each(_nested(HealthResult)),
    "tuple[Mount, ...]": _each(_mount),
    "Endpoint | None": _or_none(_endpoint),
    "Health | None": _or_none(_nested(Health)),
    "HealthCheck | None": _or_none(_nested(HealthCheck)),
    "IdMap | None": _or_none(_nested(IdMap)),
    "Limits": _nested(Limits),
    "RestartPolicy": _nested(RestartPolicy),
    "Security": _nested(Security),
}
"""What makes a value of JSON's, by the annotation of the field."""
