"""`inspect`: everything about an image or a container, with Docker's keys."""

from __future__ import annotations

import time
from contextlib import suppress

from lxgit.errors import LxgitError
from lxgit.lean import calendar_time
from lxgit.objects.ids import ObjectID, hex_id
from lxgit.objects.imageconfig import config_values
from lxgit.objects.messages import subject, trailers
from lxgit.objects.refnames import BRANCHES, LATEST, image_and_tag
from lxgit.objects.revisions import NAMES_LISTED, UnknownRevision
from lxgit.operations.lookup import classify, find_container, image_of, read_commit
from lxgit.operations.tags import list_tags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lxgit.objects.commits import Signature
    from lxgit.objects.image import Image
    from lxgit.operations.networks import NetworkRow
    from lxgit.operations.volumes import VolumeRow
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container

IMAGE, CONTAINER, NETWORK, VOLUME = "image", "container", "network", "volume"

_ALWAYS: dict[str, Any] = {
    "Env": [],
    "ExposedPorts": {},
    "Labels": {},
    "User": "",
    "WorkingDir": "",
}
"""What templates ask of any image's config, whether it says that or not."""


_ALL_LISTED = (
    f"{NAMES_LISTED}, and 'lxgit ps -a', 'lxgit network ls' and 'lxgit volume ls' all others"
)


class OfAnotherType(LxgitError):
    """A name that stands for an image where a container was wanted, or the reverse."""


def inspect(
    repository: Repository, name: str, kind: str | None = None, *, sizes: bool = False
) -> dict[str, Any] | NetworkRow | VolumeRow:
    """What a name stands for: a revision or a container, in the order of commands.md's look-up.

    After those a network, then a volume. `kind` is IMAGE, CONTAINER, NETWORK or VOLUME where only
    one of them will do: OfAnotherType. `sizes` are in bytes, for which all the files of an image
    are counted.
    """
    if kind == NETWORK:
        return _network(repository, name)
    if kind == VOLUME:
        return _volume(repository, name)
    try:
        found = (
            classify(repository, name) if kind != CONTAINER else find_container(repository, name)
        )
    except UnknownRevision as error:
        if kind is None and (other := _other(repository, name)) is not None:
            return other
        if kind is None and error.hint == NAMES_LISTED:
            error.hint = _ALL_LISTED
        raise
    if isinstance(found, bytes):
        image = image_of(repository, found)
        return {**_image(repository, found, image), **(_size(repository, image) if sizes else {})}
    if kind == IMAGE:
        raise OfAnotherType(
            f"'{name}' is a container, not an image", hint=f"lxgit inspect --type container {name}"
        )
    from lxgit.operations.inspectcontainer import container_values

    return {**container_values(repository, found), **(_sizes(repository, found) if sizes else {})}


def _other(repository: Repository, name: str) -> NetworkRow | VolumeRow | None:
    from lxgit.runtime.networks import NoSuchNetwork
    from lxgit.runtime.volumes import NoSuchVolume

    with suppress(NoSuchNetwork):
        return _network(repository, name)
    with suppress(NoSuchVolume):
        return _volume(repository, name)
    return None


def _network(repository: Repository, name: str) -> NetworkRow:
    from lxgit.operations.networks import find_network

    return find_network(repository, name)


def _volume(repository: Repository, name: str) -> VolumeRow:
    from lxgit.operations.volumes import find_volume

    return find_volume(repository, name)


def _size(repository: Repository, image: Image) -> dict[str, Any]:
    from lxgit.operations.sizes import image_size

    return {"Size": image_size(repository, image)}


def _sizes(repository: Repository, container: Container) -> dict[str, Any]:
    from lxgit.operations.sizes import sized_rows

    (row,) = sized_rows(repository, [container])
    return {"SizeRw": row.size, "SizeRootFs": row.virtual_size}


def _image(repository: Repository, oid: ObjectID, image: Image) -> dict[str, Any]:
    commit = read_commit(repository, oid)
    values = {**_ALWAYS, **config_values(image.config)}
    told = dict(trailers(commit.message))
    return {
        "Id": hex_id(oid),
        "RepoTags": _names(repository, oid),
        "Parent": hex_id(commit.parents[0]) if commit.parents else "",
        "Parents": [hex_id(parent) for parent in commit.parents],
        "Comment": subject(commit.message),
        "Created": _commit_time(commit.committer),
        "Container": told.get("Container", ""),
        "ContainerConfig": {"Cmd": _words(told.get("Command"))},
        "Author": f"{commit.author.name} <{commit.author.email}>",
        "Architecture": values.pop("architecture", ""),
        "Os": values.pop("os", ""),
        "Config": values,
        "RootFS": {"Type": "git", "Tree": hex_id(image.rootfs), "Links": hex_id(image.links_id)},
    }


def _names(repository: Repository, oid: ObjectID) -> list[str]:
    branches = repository.refs.list(BRANCHES)
    names = [
        f"{ref.removeprefix(BRANCHES)}:{LATEST}" for ref, tip in branches.items() if tip == oid
    ]
    for tag in list_tags(repository):
        if tag.oid == hex_id(oid):
            image, name = image_and_tag(tag.name)
            names.append(f"{image}:{name}" if image else name)
    return names


def _words(command: str | None) -> list[str] | None:
    """The words of a `Command:` trailer, which is quoted for a shell."""
    from lxgit.objects.shellwords import shell_words

    try:
        return None if command is None else shell_words(command)
    except ValueError:  # another program's commit
        return [command or ""]


def _commit_time(who: Signature) -> str:
    sign = "-" if who.offset < 0 else "+"
    hours, minutes = divmod(abs(who.offset), 60)
    local = calendar_time(who.time + who.offset * 60)
    return time.strftime("%Y-%m-%dT%H:%M:%S", local) + f"{sign}{hours:02d}:{minutes:02d}"
