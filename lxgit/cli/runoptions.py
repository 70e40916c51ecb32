"""The options of a container that is made: what `run` and its like take alike."""

from __future__ import annotations

# The parser evaluates the annotations of Wishes, as those of a command.
from lxgit.cli.lifeoptions import Checking, Life, Logging, Notes  # noqa: TC001
from lxgit.cli.limitoptions import Isolation, Limiting, ProcessLimits  # noqa: TC001
from lxgit.cli.networkoptions import Networking  # noqa: TC001
from lxgit.cli.params import Annotated, option
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
from lxgit.cli.storageoptions import Storage  # noqa: TC001
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.creating import RunRequest


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


class Wishes(NamedTuple):
    """All that is asked of a container that is made."""

    how: How
    networking: Networking
    isolation: Isolation
    storage: Storage
    limiting: Limiting
    process_limits: ProcessLimits
    life: Life
    checking: Checking
    notes: Notes
    logging: Logging

    def request(
        self, image: str | None, program: tuple[str, ...], *, remove: bool = False
    ) -> RunRequest:
        """What the options ask for."""
        from lxgit.operations.creating import RunRequest
        from lxgit.operations.limiting import WantedSecurity
        from lxgit.operations.wantednetwork import WantedNetwork

        return RunRequest(
            image=image,
            command=program,
            name=self.how.name,
            remove=remove,
            interactive=self.how.interactive,
            tty=self.how.tty,
            environment=variables(
                (*lines_of("--env-file", self.how.env_files), *self.how.environment)
            ),
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
            oom_score=self.process_limits.oom_score,
            security=WantedSecurity(
                self.isolation.cap_add,
                self.isolation.cap_drop,
                self.isolation.devices,
                self.process_limits.ulimits,
                self.isolation.sysctls,
                self.isolation.security,
            ),
            init=self.life.init and not self.life.init_system,
            system=self.life.init_system,
            restart=self.life.restart,
            health=self.checking.wanted(),
            stop_signal=self.life.stop_signal,
            stop_timeout=self.life.stop_patience(),
            labels=self.notes.noted(),
            cidfile=self.notes.cidfile,
            log_size=self.logging.log_size(),
        )
