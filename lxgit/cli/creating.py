"""Commands about containers that are to be: create, update."""

from __future__ import annotations

from lxgit.cli.limitoptions import Limiting
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.report import for_each
from lxgit.cli.run import Fetch, Image, Program, told_as_docker_does, with_image
from lxgit.cli.runoptions import Wishes
from lxgit.cli.session import Session
from lxgit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.creating import RunRequest


@command(
    options_first=True,
    examples=(
        ("lxgit create --name later -m 256m base sleep 1", "prints its id"),
        ("lxgit create -it base && lxgit ps -a", "'lxgit start -ai' goes into it"),
    ),
)
def create(
    session: Session,
    wishes: Wishes,
    fetch: Fetch,
    image: Image = None,
    program: Program = (),
) -> None:
    """Make a container as 'run' does, and do not start it; 'start' does."""
    from lxgit.cli.tables import short_id
    from lxgit.operations.launching import created

    wanted = wishes.request(image, program)
    with told_as_docker_does(image), session.progress() as progress:

        def make(request: RunRequest) -> None:
            repository, who = session.repository(), session.identity()
            with created(repository, request, identity=who, progress=progress) as made:
                progress.phase("")
                session.out.line(short_id(made))
                session.out.flush()

        with_image(session, wanted, fetch, progress, make)


@command(
    examples=(
        ("lxgit update --pids-limit 100 web", "at once where it runs"),
        ("lxgit update -m 0 --cpus 1.5 web", "0 takes a limit away"),
        ("lxgit update --restart unless-stopped web", "when it ends next"),
    )
)
def update(
    session: Session,
    containers: Annotated[
        tuple[str, ...], argument("CONTAINER", help="names or ids", completes="container")
    ],
    limiting: Limiting,
    restart: Annotated[
        str | None,
        option("--restart", help="when to start it again, as 'run' has it", metavar="POLICY"),
    ] = None,
) -> int:
    """Change the limits of containers, running or not, and when they are started again."""
    from lxgit.operations.updating import policy_of, update

    if limiting == Limiting() and restart is None:
        raise UsageError("nothing to change was said", hint="-m 256m, or --restart always")
    repository, wanted, policy = session.repository(), limiting.wanted(), policy_of(restart)

    def step(name: str) -> None:
        with session.progress() as progress:
            update(repository, name, wanted, policy, progress)

    return for_each(session, containers, step)
