"""The options of a container that is made, in groups: what `run` and its like take alike."""

from __future__ import annotations

from lxgit.cli.params import Annotated, Literal, option
from lxgit.cli.processoptions import (
    Environment,
    EnvironmentFiles,
    Interactive,
    Tty,
    User,
    WorkingDir,
    lines_of,
    variables,
)
from lxgit.errors import UsageError
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.creating import RunRequest
    from lxgit.operations.healthwishes import WantedHealth
    from lxgit.operations.limiting import WantedLimits
    from lxgit.operations.volumes import StorageRequest


class How(NamedTuple):
    """What is run, as whom, and what it sees of the caller."""

    interactive: Interactive = False
    tty: Tty = False
    name: Annotated[str | None, option("--name", help="the container's name", metavar="NAME")] = (
        None
    )
    environment: Environment = ()
    env_files: EnvironmentFiles = ()
    working_dir: WorkingDir = None
    user: User = None
    groups: Annotated[
        tuple[str, ...],
        option(
            "--group-add", help="a group more: a name of the image's, or a number", metavar="GROUP"
        ),
    ] = ()
    hostname: Annotated[
        str | None, option("-h", "--hostname", help="its short id by default", metavar="NAME")
    ] = None
    entrypoint: Annotated[
        str | None, option("--entrypoint", help="in place of the image's", metavar="PROGRAM")
    ] = None


class Networking(NamedTuple):
    """Whom it can talk to."""

    networks: Annotated[
        tuple[str, ...],
        option(
            "--network",
            "--net",
            help="bridge, this store's, the default; user, the way out of an ordinary user's, their"
            " default; none, host; container:NAME, another's; or those that 'network create' made",
            metavar="NETWORK",
            completes="network",
        ),
    ] = ()
    publish: Annotated[
        tuple[str, ...],
        option(
            "-p",
            "--publish",
            help="a port that the host passes on; a free one from 49153 up without HOST; or ranges",
            metavar="[IP:][HOST:]PORT[/udp]",
        ),
    ] = ()
    publish_all: Annotated[
        bool, option("-P", "--publish-all", help="every port that the image or --expose names")
    ] = False
    expose: Annotated[
        tuple[str, ...], option("--expose", help="name a port, for -P", metavar="PORT[-PORT][/udp]")
    ] = ()
    dns: Annotated[
        tuple[str, ...],
        option("--dns", help="a resolver in place of the host's", metavar="ADDRESS"),
    ] = ()
    add_host: Annotated[
        tuple[str, ...],
        option("--add-host", help="a line of its /etc/hosts", metavar="NAME:ADDRESS"),
    ] = ()
    aliases: Annotated[
        tuple[str, ...],
        option("--network-alias", help="a further name for the others there", metavar="NAME"),
    ] = ()
    address: Annotated[
        str | None, option("--ip", help="of a network with a --subnet", metavar="ADDRESS")
    ] = None
    mac: Annotated[
        str | None, option("--mac-address", help="of its Ethernet interface", metavar="ADDRESS")
    ] = None
    dns_search: Annotated[
        tuple[str, ...],
        option("--dns-search", help="where short names are looked for", metavar="DOMAIN"),
    ] = ()
    dns_options: Annotated[
        tuple[str, ...],
        option("--dns-option", help="of resolv.conf(5), as ndots:1", metavar="OPTION"),
    ] = ()


class Storage(NamedTuple):
    """What it has beside its image."""

    volumes: Annotated[
        tuple[str, ...],
        option(
            "-v",
            "--volume",
            help="a volume, or with a slash in front a path of the host, at PATH",
            metavar="[SOURCE:]PATH[:ro,rslave]",
        ),
    ] = ()
    mounts: Annotated[
        tuple[str, ...],
        option("--mount", help="the same, key by key", metavar="type=…,source=…,target=…"),
    ] = ()
    tmpfs: Annotated[
        tuple[str, ...],
        option("--tmpfs", help="memory at PATH", metavar="PATH[:size=64m,…]"),
    ] = ()
    volumes_from: Annotated[
        tuple[str, ...],
        option(
            "--volumes-from",
            help="what another container has so",
            metavar="CONTAINER[:ro]",
            completes="container",
        ),
    ] = ()
    read_only: Annotated[bool, option("--read-only", help="nothing else can be written to")] = False
    shm_size: Annotated[str, option("--shm-size", help="of its /dev/shm", metavar="SIZE")] = "64m"

    def wanted(self) -> StorageRequest | None:
        """As plain values; None where nothing is asked for. UsageError, InvalidTarget."""
        if self == Storage():
            return None
        from lxgit.cli.mountoptions import storage_request

        return storage_request(
            self.volumes, self.mounts, self.tmpfs, self.volumes_from, read_only=self.read_only
        )

    def memory(self) -> int:
        """Bytes of /dev/shm. UsageError."""
        from lxgit.spelling import parse_memory

        if not (size := parse_memory("--shm-size", self.shm_size)):
            raise UsageError("--shm-size 0 is no size", hint="--shm-size 256m")
        return size


class Isolation(NamedTuple):
    """What keeps it apart from the host."""

    userns: Annotated[
        Literal["host"] | None, option("--userns", help="the host's user ids: less isolation")
    ] = None
    privileged: Annotated[
        bool, option("--privileged", help="all powers of root on this host: no isolation")
    ] = False
    cap_add: Annotated[
        tuple[str, ...], option("--cap-add", help="a capability more", metavar="NAME|ALL")
    ] = ()
    cap_drop: Annotated[
        tuple[str, ...], option("--cap-drop", help="a capability less", metavar="NAME|ALL")
    ] = ()
    devices: Annotated[
        tuple[str, ...],
        option("--device", help="a device of the host", metavar="HOST[:CONTAINER][:rwm]"),
    ] = ()
    sysctls: Annotated[
        tuple[str, ...],
        option("--sysctl", help="a kernel parameter of its own", metavar="NAME=VALUE"),
    ] = ()
    security: Annotated[
        tuple[str, ...],
        option(
            "--security-opt",
            help="no-new-privileges: no setuid program gives it more; or less isolation:"
            " seccomp=unconfined, apparmor=PROFILE|unconfined",
            metavar="OPTION",
        ),
    ] = ()


class Limiting(NamedTuple):
    """What it may use at most."""

    memory: Annotated[
        str | None, option("-m", "--memory", help="memory, and as much swap", metavar="SIZE")
    ] = None
    cpus: Annotated[
        str | None, option("--cpus", help="processors' worth of time, as 1.5", metavar="COUNT")
    ] = None
    cpu_shares: Annotated[
        int | None,
        option("-c", "--cpu-shares", help="weight against others' 1024", metavar="WEIGHT"),
    ] = None
    pids_limit: Annotated[
        int | None,
        option("--pids-limit", help="processes; 2048 by default, 0 for no limit", metavar="COUNT"),
    ] = None
    memory_swap: Annotated[
        str | None,
        option("--memory-swap", help="memory and swap together; -1 for any swap", metavar="SIZE"),
    ] = None
    memory_reservation: Annotated[
        str | None,
        option("--memory-reservation", help="what others leave it while they can", metavar="SIZE"),
    ] = None
    cpuset: Annotated[
        str | None, option("--cpuset-cpus", help="the processors it runs on", metavar="0-2,4")
    ] = None

    def wanted(self) -> WantedLimits:
        """As plain values. UsageError."""
        from lxgit.operations.limiting import ANY_SWAP, WantedLimits
        from lxgit.spelling import parse_memory, parse_processors

        def size(option: str, text: str | None) -> int | None:
            return None if text is None else parse_memory(option, text)

        swap = self.memory_swap
        return WantedLimits(
            memory=size("--memory", self.memory),
            cpus=None if self.cpus is None else parse_processors("--cpus", self.cpus),
            cpu_shares=self.cpu_shares,
            pids=None if self.pids_limit is None else max(0, self.pids_limit),
            memory_swap=ANY_SWAP if swap == "-1" else size("--memory-swap", swap),
            memory_reservation=size("--memory-reservation", self.memory_reservation),
            cpuset=self.cpuset,
        )


class Life(NamedTuple):
    """How it ends, and what it is told apart by."""

    ulimits: Annotated[
        tuple[str, ...],
        option("--ulimit", help="of each process: getrlimit(2)", metavar="NAME=SOFT[:HARD]"),
    ] = ()
    oom_score: Annotated[
        int,
        option("--oom-score-adj", help="how soon it is killed for memory: to 1000", metavar="N"),
    ] = 0
    init: Annotated[
        bool, option("--init", help="a process 1 that passes signals on, and reaps")
    ] = False
    init_system: Annotated[
        bool, option("--init-system", help="boot the image: its /sbin/init, with a terminal")
    ] = False
    restart: Annotated[
        str,
        option(
            "--restart",
            help="when to start it again: no, on-failure[:N], always, unless-stopped",
            metavar="POLICY",
        ),
    ] = "no"
    stop_signal: Annotated[
        str | None, option("--stop-signal", help="what 'stop' sends first", metavar="SIGNAL")
    ] = None
    stop_timeout: Annotated[
        int | None,
        option("--stop-timeout", help="how long 'stop' waits; 10 by default", metavar="SECONDS"),
    ] = None
    labels: Annotated[
        tuple[str, ...], option("-l", "--label", help="a note to it", metavar="NAME[=VALUE]")
    ] = ()
    log_max_size: Annotated[
        str, option("--log-max-size", help="of its output; 0 for no limit", metavar="SIZE")
    ] = "256m"
    log_driver: Annotated[
        Literal["json-file", "local"] | None,
        option("--log-driver", help="as Docker calls it; there is one, which 'logs' reads"),
    ] = None
    log_options: Annotated[
        tuple[str, ...],
        option("--log-opt", help="max-size=10m, and max-file=3: so often", metavar="NAME=VALUE"),
    ] = ()
    label_files: Annotated[
        tuple[str, ...], option("--label-file", help="a file of such lines", metavar="FILE")
    ] = ()
    cidfile: Annotated[
        str | None, option("--cidfile", help="write its whole id there", metavar="FILE")
    ] = None

    def noted(self) -> tuple[tuple[str, str], ...]:
        """The labels, names and values. UsageError."""
        texts = (*lines_of(self.label_files), *self.labels)
        if not texts:
            return ()
        from lxgit.cli.labels import labels_of

        return tuple(labels_of(texts).items())

    def log_size(self) -> int | None:
        """Bytes; None for no limit. UsageError."""
        from lxgit.spelling import parse_memory

        size, files = self.log_max_size, 1
        for text in self.log_options:
            name, _, value = text.partition("=")
            if name == "max-size":
                size = value
            elif name == "max-file" and value.isdecimal() and 0 < int(value) < 10_000:
                files = int(value)
            else:
                raise UsageError(
                    f"--log-opt knows nothing of '{text}'", hint="max-size=10m or max-file=3"
                )
        return parse_memory("--log-max-size", size) * files or None


class Checking(NamedTuple):
    """How it is found out whether it is well."""

    health_cmd: Annotated[
        str | None, option("--health-cmd", help="exits with 0 if all is well", metavar="COMMAND")
    ] = None
    health_interval: Annotated[
        str | None, option("--health-interval", help="30s by default", metavar="TIME")
    ] = None
    health_timeout: Annotated[
        str | None, option("--health-timeout", help="of one check; 30s by default", metavar="TIME")
    ] = None
    health_retries: Annotated[
        int | None,
        option("--health-retries", help="failures in a row; 3 by default", metavar="COUNT"),
    ] = None
    health_start_period: Annotated[
        str | None, option("--health-start-period", help="before they count", metavar="TIME")
    ] = None
    no_healthcheck: Annotated[bool, option("--no-healthcheck", help="nor that of the image")] = (
        False
    )

    def wanted(self) -> WantedHealth:
        """As plain values. UsageError."""
        from lxgit.operations.healthwishes import WantedHealth

        if self == Checking():
            return WantedHealth()
        from lxgit.cli.moments import span

        def seconds(text: str | None) -> float | None:
            return None if text is None else span(text)

        return WantedHealth(
            command=self.health_cmd,
            interval=seconds(self.health_interval),
            timeout=seconds(self.health_timeout),
            retries=self.health_retries,
            start_period=seconds(self.health_start_period),
            none=self.no_healthcheck,
        )


class Wishes(NamedTuple):
    """All that is asked of a container that is made."""

    how: How
    networking: Networking
    isolation: Isolation
    storage: Storage
    limiting: Limiting
    life: Life
    checking: Checking

    def request(
        self, image: str | None, program: tuple[str, ...], *, remove: bool = False
    ) -> RunRequest:
        """What the options ask for."""
        from lxgit.operations.creating import RunRequest
        from lxgit.operations.limiting import WantedSecurity
        from lxgit.operations.networking import WantedNetwork

        return RunRequest(
            image=image,
            command=program,
            name=self.how.name,
            remove=remove,
            interactive=self.how.interactive,
            tty=self.how.tty,
            environment=variables((*lines_of(self.how.env_files), *self.how.environment)),
            working_dir=self.how.working_dir,
            user=self.how.user,
            groups=self.how.groups,
            hostname=self.how.hostname,
            networking=WantedNetwork(*self.networking),
            entrypoint=self.how.entrypoint,
            host_ids=self.isolation.userns == "host",
            privileged=self.isolation.privileged,
            storage=self.storage.wanted(),
            shm_size=self.storage.memory(),
            limits=self.limiting.wanted(),
            oom_score=self.life.oom_score,
            security=WantedSecurity(
                self.isolation.cap_add,
                self.isolation.cap_drop,
                self.isolation.devices,
                self.life.ulimits,
                self.isolation.sysctls,
                self.isolation.security,
            ),
            init=self.life.init and not self.life.init_system,
            system=self.life.init_system,
            restart=self.life.restart,
            health=self.checking.wanted(),
            stop_signal=self.life.stop_signal,
            stop_timeout=self.life.stop_timeout,
            labels=self.life.noted(),
            cidfile=self.life.cidfile,
            log_size=self.life.log_size(),
        )
