"""Commands that bring images elsewhere: push, save."""

from __future__ import annotations

import os
from contextlib import nullcontext

from lxgit.cli.options import TlsVerify
from lxgit.cli.params import Annotated, Literal, argument, command, option
from lxgit.cli.session import Session
from lxgit.errors import UsageError

Squash = Annotated[
    bool, option("--squash", help="the image as one layer, without the history that led to it")
]


@command(
    examples=(
        ("lxgit push localhost:5000/base", "the branch 'base', to a registry of your own"),
        ("lxgit push base:v1 localhost:5000/team/machine", "under another name, as its 'v1'"),
        ("lxgit push --squash base localhost:5000/base", "as one layer"),
    )
)
def push(
    session: Session,
    name: Annotated[str, argument("NAME[:TAG]", help="what to push", completes="image")],
    destination: Annotated[
        str | None,
        argument("DESTINATION", help="where to, [HOST[:PORT]/]PATH[:TAG]; NAME says it if not"),
    ] = None,
    tag: Annotated[
        str | None, option("-t", "--tag", help="the tag, if NAME has none", metavar="TAG")
    ] = None,
    registry: Annotated[
        str | None,
        option("--registry", help="the host, if NAME has none", metavar="HOST[:PORT]"),
    ] = None,
    squash: Squash = False,
    tls_verify: TlsVerify = True,
    quiet: Annotated[bool, option("-q", "--quiet", help="without progress")] = False,
) -> None:
    """Send an image and its history to a registry: every commit that changed a file is a layer.

    A NAME without a host goes to Docker Hub: 'lxgit push ada/web', after 'lxgit login'. One with a
    host means what has the whole of it here, as after 'lxgit build -t localhost:5000/web .'; else
    what has the rest. What the registry has already is not sent again. Prints the name that pins
    the image, by its digest.
    """
    from lxgit.cli.environment import for_registries
    from lxgit.cli.progress import QuietProgress
    from lxgit.operations import pushing
    from lxgit.operations.registries import names_registry

    if tag is not None:
        if not tag:
            raise UsageError("the tag is empty", hint="-t TAG")
        if ":" in name.rpartition("/")[2]:
            raise UsageError(f"'{name}' has a tag already", hint="leave out -t")
        name = f"{name}:{tag}"
    if registry is not None:
        if destination is not None:
            raise UsageError("DESTINATION says where to", hint="leave out --registry")
        if names_registry(name):
            raise UsageError(f"'{name}' names a registry", hint="leave out --registry")
        destination = f"{registry}/{name}"
    repository = session.repository()
    with nullcontext(QuietProgress()) if quiet else session.progress() as progress:
        pushed = pushing.push(
            repository,
            name,
            destination,
            squash=squash,
            tls_verify=tls_verify,
            environment=for_registries(),
            progress=progress,
        )
    session.out.line(pushed.pinned)


@command(
    examples=(
        ("lxgit save base -o base.tar", "'docker load -i base.tar' takes it"),
        ("lxgit save base base:v1 | zstd >images.tar.zst", "two images, through a pipe"),
        ("lxgit save base --format oci-dir -o base-oci", "'skopeo copy oci:base-oci …' takes it"),
    )
)
def save(
    session: Session,
    names: Annotated[
        tuple[str, ...], argument("NAME", help="an image, with its history", completes="image")
    ],
    output: Annotated[
        str | None, option("-o", "--output", help="there, in place of stdout", metavar="FILE")
    ] = None,
    form: Annotated[
        Literal["docker-archive", "oci-archive", "oci-dir"],
        option("--format", help="for 'docker load', or as OCI has it: a tar or a directory"),
    ] = "docker-archive",
    squash: Squash = False,
) -> None:
    """Write images for other tools: every commit is a layer, as far as it changed a file.

    The same history gives the same bytes. 'export' writes the files of one image, without more.
    """
    from lxgit.operations import saving

    repository = session.repository()
    if form == "oci-dir":
        if not output:
            raise UsageError("a directory needs a name", hint="-o DIRECTORY")
        from pathlib import Path

        place = Path(os.path.abspath(output))
        with session.progress() as progress:
            saving.save_directory(repository, names, place, squash=squash, progress=progress)
        return
    docker = form == "docker-archive"
    if output not in (None, "-"):
        from lxgit.cli.outputfile import output_file

        with output_file(output, "-o") as file, session.progress() as progress:
            saving.save_archive(
                repository, names, file, docker=docker, squash=squash, progress=progress
            )
        return
    if os.isatty(session.out.fd):
        raise UsageError(
            "an archive is nothing for a terminal", hint=f"lxgit save {names[0]} -o image.tar"
        )
    with session.progress() as progress:
        saving.save_archive(
            repository, names, session.out, docker=docker, squash=squash, progress=progress
        )
