"""Images go to a registry: with their histories, a layer for each commit that changed a file."""

from __future__ import annotations

from lxgit.errors import UsageError
from lxgit.oci import skopeo
from lxgit.oci.imagewriter import ImageWriter
from lxgit.oci.layernotes import LayerNotes
from lxgit.oci.layout import BadLayout, digest_of, read_object
from lxgit.oci.layoutwriter import LayoutWriter
from lxgit.oci.reference import Reference, parse_reference
from lxgit.oci.skopeo import ODD, AccessDenied, BlobWanted, NoSuchImage, RegistryFailed
from lxgit.operations.lookup import find_commit
from lxgit.operations.naming import branch_name
from lxgit.operations.registries import access_to
from lxgit.operations.saving import first_parents, name_and_tag
from lxgit.operations.scratchspace import scratch_directory
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lxgit.oci.layernotes import Between
    from lxgit.oci.layerwriter import Layer
    from lxgit.oci.skopeo import Access
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
    answer_within: int = skopeo.ANSWER_WITHIN,
    environment: Mapping[str, str],
    progress: Progress,
) -> Pushed:
    """Send an image to a registry; what that has already is not sent again.

    Without a destination it is read off the name, as Docker does: `localhost:5000/team/app:v1` is
    `team/app:v1` here, unless a branch or tag has the whole of it. One without a tag gets that of
    the name. A registry has `answer_within` seconds to say what it has. `environment` as for
    `access_to`. BadReference; errors of the name as `find_commit`; NotForOCI; AccessDenied,
    RegistryFailed, MissingProgram.
    """
    reference, revision = _ends(repository, name, destination)
    tip = find_commit(repository, revision)
    access = access_to(reference.host, environment, tls_verify=tls_verify)
    there = _there(reference, access, answer_within)
    notes = LayerNotes(repository.path / "layer-notes")

    def sent(noted: Callable[[Between], Layer | None]) -> str:
        with scratch_directory(repository) as place:
            layout = LayoutWriter(place / "layout")
            writer = ImageWriter(layout, repository.objects, progress, noted)
            with repository.writing():  # gc drops nothing that is being read
                image = writer.write(first_parents(repository, tip), squash=squash)
            _warn_of_many(len(image.layers), progress)
            notes.add(writer.layers)
            if image.manifest.digest == there:
                return there
            layout.finish([(image, [])])
            progress.phase(f"Pushing to {reference.host}")
            return skopeo.send(layout.place, reference, access, progress.advance)

    try:
        digest = sent(notes.find)
    except BlobWanted:
        digest = sent(lambda _: None)
    return Pushed(reference, digest)


def _there(reference: Reference, access: Access, within: int) -> str | None:
    """The digest of what the registry has by that name.

    None where it has nothing, or does not tell: it may want to be asked by who writes there. Asked
    before anything is written, so a registry that is none is found at once.
    """
    try:
        data = skopeo.manifest(reference, access, within=within)
    except (NoSuchImage, AccessDenied):
        return None
    try:
        read_object(data, "the manifest")
    except BadLayout:
        raise RegistryFailed(
            f"'{reference.host}' answers with what is no manifest", hint=ODD
        ) from None
    return digest_of(data)


def _warn_of_many(layers: int, progress: Progress) -> None:
    if layers > _MOST_LAYERS:
        progress.warn(
            f"the image has {layers} layers, and Docker runs {_MOST_LAYERS} at most:"
            " --squash makes one of them"
        )


def _ends(repository: Repository, name: str, destination: str | None) -> tuple[Reference, str]:
    """Where to push, and what."""
    if destination is None:
        reference = parse_reference(name)
        whole = branch_name(name)
        named = repository.revisions.ref_name(whole) is not None
        revision = whole if named else reference.local_name
    else:
        reference, revision = parse_reference(destination), name
        if not reference.tag and ":" not in name.rpartition("/")[0]:  # HOST:PORT/NAME is all name
            listed = name_and_tag(repository, name)
            reference = reference._replace(tag=listed[1] if listed else "")
    if reference.digest:
        raise UsageError("a digest is what comes of a push", hint="NAME:TAG says where to")
    return reference, revision
