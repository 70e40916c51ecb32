"""Commands that bring images to other tools: save."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from lxgit.cli.params import argument, command, option
from lxgit.cli.session import Session
from lxgit.errors import UsageError

Squash = Annotated[
    bool, option("--squash", help="the image as one layer, without the history that led to it")
]


@command(
    examples=(
        ("lxgit save base -o base.tar", "'docker load -i base.tar' takes it"),
        ("lxgit save base web:v1 | ssh host podman load", "two images, through a pipe"),
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
        if output is None:
            raise UsageError("a directory needs a name", hint="-o DIRECTORY")
        from pathlib import Path

        place = Path(os.path.abspath(output))
        with session.progress() as progress:
            saving.save_directory(repository, names, place, squash=squash, progress=progress)
        return
    docker = form == "docker-archive"
    if output not in (None, "-"):
        from lxgit.cli.newfile import new_file

        with new_file(output) as file, session.progress() as progress:
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
