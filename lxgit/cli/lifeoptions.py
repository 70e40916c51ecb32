"""The options of a new container that say how it lives, and what is known of it."""

from __future__ import annotations

from lxgit.cli.params import Annotated, Literal, option
from lxgit.cli.processoptions import lines_of
from lxgit.errors import UsageError
from lxgit.lean import pattern
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.healthwishes import WantedHealth


_COUNT = pattern("[1-9][0-9]{0,3}")


class Life(NamedTuple):
    """How it begins and ends."""

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
        option(
            "--stop-timeout",
            help="how long 'stop' waits; 10 by default, -1 without end",
            metavar="SECONDS",
        ),
    ] = None

    def stop_patience(self) -> int | None:
        """Seconds that `stop` waits; None for the default. UsageError."""
        if self.stop_timeout is None:
            return None
        from lxgit.cli.moments import patience

        return patience("--stop-timeout", self.stop_timeout)


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

        def seconds(option: str, text: str | None) -> float | None:
            return None if text is None else span(option, text)

        return WantedHealth(
            command=self.health_cmd,
            interval=seconds("--health-interval", self.health_interval),
            timeout=seconds("--health-timeout", self.health_timeout),
            retries=self.health_retries,
            start_period=seconds("--health-start-period", self.health_start_period),
            none=self.no_healthcheck,
        )


class Notes(NamedTuple):
    """What it is told apart by."""

    labels: Annotated[
        tuple[str, ...], option("-l", "--label", help="a note to it", metavar="NAME[=VALUE]")
    ] = ()
    label_files: Annotated[
        tuple[str, ...], option("--label-file", help="a file of such lines", metavar="FILE")
    ] = ()
    cidfile: Annotated[
        str | None, option("--cidfile", help="write its whole id there", metavar="FILE")
    ] = None

    def noted(self) -> tuple[tuple[str, str], ...]:
        """The labels, names and values. UsageError."""
        texts = (*lines_of("--label-file", self.label_files), *self.labels)
        if not texts:
            return ()
        from lxgit.cli.labels import labels_of

        return tuple(labels_of(texts).items())


class Logging(NamedTuple):
    """What is kept of its output."""

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

    def log_size(self) -> int | None:
        """Bytes; None for no limit. UsageError."""
        from lxgit.spelling import parse_memory

        option, size, files = "--log-max-size", self.log_max_size, 1
        for text in self.log_options:
            name, _, value = text.partition("=")
            if name == "max-size":
                option, size = "--log-opt max-size", value
            elif name == "max-file" and _COUNT.fullmatch(value):
                files = int(value)
            else:
                raise UsageError(
                    f"--log-opt knows nothing of '{text}'", hint="max-size=10m or max-file=3"
                )
        return parse_memory(option, size) * files or None
