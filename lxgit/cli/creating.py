"""Commands about containers that are to be: create, update."""

from __future__ import annotations

from typing import Annotated

from lxgit.cli.params import argument, command
from lxgit.cli.run import Image, Program, told_as_docker_does
from lxgit.cli.runoptions import Limiting, Wishes
from lxgit.cli.session import Session


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
    image: Image = None,
    program: Program = (),
) -> None:
    """Make a container as 'run' does, and do not start it; 'start' does."""
    from lxgit.cli.tables import short_id
    from lxgit.operations.launching import create

    wanted = wishes.request(image, program)
    with told_as_docker_does(image), session.progress() as progress:
        repository, who = session.repository(), session.identity()
        made = create(repository, wanted, identity=who, progress=progress)
    session.out.line(short_id(made))


@command(
    examples=(
        ("lxgit update --pids-limit 100 web", "at once where it runs"),
        ("lxgit update -m 0 --cpus 1.5 web", "0 takes a limit away"),
    )
)
def update(
    session: Session,
    containers: Annotated[
        tuple[str, ...], argument("CONTAINER", help="names or ids", completes="container")
    ],
    limiting: Limiting,
) -> None:
    """Change the limits of containers, running or not."""
    from lxgit.operations.limiting import update

    update(session.repository(), containers, limiting.wanted())
    for container in containers:
        session.out.line(container)
