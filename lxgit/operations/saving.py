"""Images leave the store in forms that other tools read: archives, or a directory."""

from __future__ import annotations

from lxgit.beneath import remove_tree
from lxgit.errors import LxgitError
from lxgit.objects.history import walk
from lxgit.objects.ids import hex_id
from lxgit.objects.refnames import BRANCHES, LATEST, TAGS, image_and_tag
from lxgit.oci.archivewriter import docker_manifest, write_archive
from lxgit.oci.imagewriter import ImageWriter
from lxgit.oci.layoutwriter import LayoutWriter
from lxgit.oci.reference import parse_reference
from lxgit.operations.lookup import find_commit
from lxgit.operations.scratchspace import scratch_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lxgit.objects.commits import Commit
    from lxgit.objects.ids import ObjectID
    from lxgit.oci.layoutwriter import Written
    from lxgit.operations.exporting import ByteSink
    from lxgit.progress import Progress
    from lxgit.repository import Repository


class PlaceTaken(LxgitError):
    """What is to be written is there already."""


def save_archive(
    repository: Repository,
    names: Sequence[str],
    output: ByteSink,
    *,
    docker: bool,
    squash: bool = False,
    progress: Progress,
) -> None:
    """Write images as one archive, as `docker load` or as `skopeo copy oci-archive:…` reads it.

    Errors of the names as `find_commit`; NotAnImage, NotForOCI; OSError as the output has it.
    """
    with scratch_directory(repository) as place:
        images = _write(repository, place, names, squash=squash, progress=progress)
        if docker:
            (place / "manifest.json").write_bytes(docker_manifest(images))
        write_archive(place, output.write, progress)


def save_directory(
    repository: Repository,
    names: Sequence[str],
    place: Path,
    *,
    squash: bool = False,
    progress: Progress,
) -> None:
    """Write images as an OCI image layout in a directory that is not there yet. PlaceTaken.

    Other errors as `save_archive`; then nothing is left.
    """
    try:
        place.mkdir(mode=0o700)
    except FileExistsError:
        raise PlaceTaken(f"'{place}' is there already", hint="name a new directory") from None
    try:
        _write(repository, place, names, squash=squash, progress=progress)
    except BaseException:
        remove_tree(place)
        raise


def _write(
    repository: Repository,
    place: Path,
    names: Sequence[str],
    *,
    squash: bool,
    progress: Progress,
) -> list[tuple[Written, list[str]]]:
    """Write a layout; its images, each once, with the names that they have outside."""
    layout = LayoutWriter(place)
    writer = ImageWriter(layout, repository.objects, progress)
    with repository.writing():  # gc drops nothing that is being read
        images = [
            (writer.write(first_parents(repository, oid), squash=squash), references)
            for oid, references in _commits(repository, names).items()
        ]
    layout.finish(images)
    return images


def _commits(repository: Repository, names: Sequence[str]) -> dict[ObjectID, list[str]]:
    """The commits that are named, and by which names, each in the order in which they are."""
    found: dict[ObjectID, list[str]] = {}
    for name in names:
        references = found.setdefault(find_commit(repository, name), [])
        reference = _reference(repository, name)
        if reference is not None and reference not in references:
            references.append(reference)
    return found


def first_parents(repository: Repository, tip: ObjectID) -> list[Commit]:
    """The history of a commit along first parents, the oldest first."""
    found = walk(repository.git, [hex_id(tip)], first_parent=True)
    return [commit for _, commit in found][::-1]


def name_and_tag(repository: Repository, name: str) -> tuple[str, str] | None:
    """What `images` lists a branch or a tag as; None for what has no such name."""
    ref = repository.revisions.ref_name(name)
    if ref == "HEAD":
        head = repository.refs.head()
        ref = head if isinstance(head, str) else None
    if ref is not None and ref.startswith(BRANCHES):
        return ref.removeprefix(BRANCHES), LATEST
    image, tag = image_and_tag((ref or "").removeprefix(TAGS))
    return (image, tag) if image else None


def _reference(repository: Repository, name: str) -> str | None:
    """The name that an image has in an archive; BadReference for one that no registry takes."""
    named = name_and_tag(repository, name)
    if named is None:
        return None
    reference = ":".join(named)
    parse_reference(reference)
    return reference
