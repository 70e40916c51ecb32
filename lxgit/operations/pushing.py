"""Images go to a registry: with their histories, a layer for each commit that changed a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxgit.errors import UsageError
from lxgit.oci import skopeo
from lxgit.oci.imagewriter import ImageWriter
from lxgit.oci.layoutwriter import LayoutWriter
from lxgit.oci.reference import Reference, parse_reference
from lxgit.operations.lookup import find_commit
from lxgit.operations.registries import access_to
from lxgit.operations.saving import first_parents, name_and_tag
from lxgit.operations.scratchspace import scratch_directory
from lxgit.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxgit.progress import Progress
    from lxgit.repository import Repository

_MOST_LAYERS = 127
"""That Docker runs (moby, layer.maxLayerDepth and overlay2): of more it takes none."""


class Pushed(NamedTuple):
    """What a registry has now: the name, and the digest that pins it."""

    reference: Reference
    digest: str

    @property
    def pinned(self) -> str:
        """A name that will never mean another image."""
        return str(self.reference._replace(tag="", digest=self.digest))


def push(
    repository: Repository,
    name: str,
    destination: str | None,
    *,
    squash: bool = False,
    tls_verify: bool = True,
    environment: Mapping[str, str],
    progress: Progress,
) -> Pushed:
    """Send an image to a registry; what that has already is not sent again.

    Without a destination it is read off the name, as Docker does: `localhost:5000/team/app:v1` is
    `team/app:v1` here. One without a tag gets that of the name. `environment` as for `access_to`.
    BadReference; errors of the name as `find_commit`; NotForOCI; AccessDenied, RegistryFailed,
    MissingProgram.
    """
    reference, revision = _ends(repository, name, destination)
    commits = first_parents(repository, find_commit(repository, revision))
    with scratch_directory(repository) as place:
        layout = LayoutWriter(place / "layout")
        image = ImageWriter(layout, repository.objects, progress).write(commits, squash=squash)
        layout.finish([(image, None)])
        if len(image.layers) > _MOST_LAYERS:
            progress.warn(
                f"the image has {len(image.layers)} layers, and Docker runs {_MOST_LAYERS} at most:"
                " --squash makes one of them"
            )
        progress.phase(f"Pushing to {reference.host}")
        access = access_to(reference.host, environment, tls_verify=tls_verify)
        return Pushed(reference, skopeo.send(layout.place, reference, access))


def _ends(repository: Repository, name: str, destination: str | None) -> tuple[Reference, str]:
    """Where to push, and what."""
    if destination is None:
        reference = parse_reference(name)
        revision = reference.local_name
    else:
        reference, revision = parse_reference(destination), name
        if not reference.tag and (named := name_and_tag(repository, name)) is not None:
            reference = reference._replace(tag=named[1])
    if reference.digest:
        raise UsageError("a digest is what comes of a push", hint="NAME:TAG says where to")
    return reference, revision
