"""Images come from a registry: their layers are fetched and unpacked, as far as they are not here.

What a tag means there is asked first: the manifest, and the config, which says what the layers are.
From then on the image is fetched by its digest. Layers are unpacked as they arrive.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack, contextmanager, suppress

from lxgit.errors import LxgitError, UsageError
from lxgit.objects.ids import hex_id
from lxgit.objects.limits import TooLarge, archive_size, free_space, limits_for, no_room
from lxgit.objects.refnames import InvalidName
from lxgit.oci import skopeo
from lxgit.oci.config import NotForLinux, read_config
from lxgit.oci.layout import (
    BadLayout,
    DirectoryPlace,
    manifest_digest,
    part_of,
    read_manifest,
)
from lxgit.oci.layoutwriter import blob_path
from lxgit.oci.platform import NoSuchPlatform, wanted_platform
from lxgit.oci.reference import parse_reference
from lxgit.operations.arriving import PULL, Arrival, NameHasCommits, arrive, ref_for
from lxgit.operations.consolidating import consolidate
from lxgit.operations.knownlayers import known_layers
from lxgit.operations.naming import NameTaken
from lxgit.operations.registries import access_to
from lxgit.operations.scratchspace import scratch_directory
from lxgit.operations.unpacking import Parts, committed
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from lxgit.objects.content import Slice
    from lxgit.oci.config import ImageFacts
    from lxgit.oci.layout import Manifest
    from lxgit.oci.layoutwriter import Descriptor
    from lxgit.oci.reference import Reference
    from lxgit.oci.skopeo import Access, Copy
    from lxgit.operations.values import Identity
    from lxgit.progress import Progress
    from lxgit.repository import Repository

    Tell = Callable[[str], None]

_BESIDE = 8  # MiB, besides one a layer: manifest and config, and blocks that are not full


class NoImage(BadLayout):
    """What the registry has is whole, and no image that lxgit knows: a signature, a chart."""


class TagsLeftOut(LxgitError):
    """All tags of an image were to come, and some cannot have their names here."""


class PullRequest(NamedTuple):
    """What `pull` asks for; see `lxgit pull --help`.

    `environment` is as for `access_to`; the registry has `answer_within` seconds to begin with.
    """

    source: str
    name: str | None = None
    platform: str | None = None
    tls_verify: bool = True
    force: bool = False
    max_size: int | None = None
    environment: Mapping[str, str] = {}
    answer_within: int = skopeo.ANSWER_WITHIN


class Pulled(NamedTuple):
    """What came: what it is called here, and what that was and is."""

    name: str
    arrival: Arrival

    @property
    def oid(self) -> str:
        """The commit, 40 digits."""
        return hex_id(self.arrival.new)


def pull(
    repository: Repository,
    request: PullRequest,
    tell: Tell,
    *,
    identity: Identity,
    progress: Progress,
) -> Pulled:
    """Fetch an image, and give it its name; `tell` hears what is fetched, a line each.

    BadReference; NoSuchImage, AccessDenied, RegistryFailed, MissingProgram; NoSuchPlatform,
    NotForLinux, NoImage, BadLayout; errors of the layers as `committed`; NameHasCommits, NameTaken,
    InvalidName. Nothing is left of an image that did not come whole.
    """
    reference = parse_reference(request.source)
    name = request.name or reference.local_name
    ref = ref_for(repository, name)
    access = access_to(reference.host, request.environment, tls_verify=request.tls_verify)

    def say(line: str) -> None:
        progress.phase("")  # the line of the terminal is free
        tell(line)

    say(f"Pulling repository {_shown(reference)} from {reference.host}")
    progress.phase(f"Asking {reference.host}")
    remote = _Remote(reference, access, request, say)
    image = remote.image()
    limits = limits_for(repository.scratch_dir, request.max_size)
    with (
        repository.writing(),
        _fetched(repository, remote, image, progress) as parts,
        committed(repository, parts, limits, progress) as oid,
    ):
        arrival = arrive(
            repository,
            ref,
            oid,
            way=PULL,
            source=f"{reference} {image.digest}",
            force=request.force,
            identity=identity,
        )
    consolidate(repository, progress)
    return Pulled(name, arrival)


def pull_tags(
    repository: Repository,
    request: PullRequest,
    tell: Tell,
    *,
    every: bool,
    identity: Identity,
    progress: Progress,
) -> Iterator[Pulled]:
    """`pull`; with `every`, once for each tag that the registry has of the image.

    What is no image for the platform is warned of then, and so is what cannot have its name here:
    that is TagsLeftOut when the others have come. UsageError where a tag or a name is named.
    """
    if not every:
        yield pull(repository, request, tell, identity=identity, progress=progress)
        return
    nameless: list[str] = []
    for one in _every_tag(request):
        try:
            yield pull(repository, one, tell, identity=identity, progress=progress)
        except (NoSuchPlatform, NotForLinux, NoImage) as error:
            progress.warn(f"{one.source} is left out: {error.message}")
        except (NameHasCommits, NameTaken, InvalidName) as error:
            progress.warn(f"{one.source} is left out: {error.message}")
            nameless.append(one.source)
    if nameless:
        raise TagsLeftOut(
            f"not every tag has come: {len(nameless)} cannot have their names here",
            hint=f"'lxgit pull {nameless[0]} NAME' gives another; --force moves what has commits",
        )


def _every_tag(request: PullRequest) -> list[PullRequest]:
    reference = parse_reference(request.source)
    if reference.tag or reference.digest or request.name:
        raise UsageError(
            "all tags of an image have their own names", hint="lxgit pull -a [HOST[:PORT]/]PATH"
        )
    access = access_to(reference.host, request.environment, tls_verify=request.tls_verify)
    tags = skopeo.tags(reference, access)
    if not tags:
        raise skopeo.NoSuchImage(f"'{reference.host}' has no image of '{reference.path}'")
    sources = [str(reference._replace(tag=tag)) for tag in tags]
    return [request._replace(source=source) for source in sources]


def _shown(reference: Reference) -> str:
    """A repository as `images` has it."""
    return reference._replace(tag="", digest="").local_name


class _Image(NamedTuple):
    """What the registry says of an image."""

    digest: str
    manifest: Manifest
    facts: ImageFacts


class _Remote:
    """One reference, and what is behind it."""

    def __init__(
        self, reference: Reference, access: Access, request: PullRequest, tell: Tell
    ) -> None:
        self.reference = reference
        self.access = access
        self.tell = tell
        self._platform = wanted_platform(request.platform)
        self._asked = None if request.platform is None else self._platform
        self._within = request.answer_within
        self._max_size = request.max_size

    def pinned(self, digest: str) -> Reference:
        """The same place, by digest."""
        return self.reference._replace(tag="", digest=digest)

    def check_size(self, size: int) -> None:
        """TooLarge for layers of so many bytes, which unpack to more than was allowed."""
        if self._max_size is not None and size > archive_size(self._max_size):
            raise TooLarge(
                f"the image's layers have {size:,} bytes", hint="a larger --max-size allows it"
            )

    def image(self) -> _Image:
        """The manifest and the config of the image for the platform."""
        try:
            return self._image()
        except BadLayout as error:
            raise NoImage(error.message, hint=error.hint or "") from None

    def _image(self) -> _Image:
        reference = self.reference
        data = skopeo.manifest(reference, self.access, within=self._within)
        if reference.digest:
            _check(data, reference.digest)
        data, digest = manifest_digest(data, self._platform, self._manifest)
        manifest = read_manifest(data)
        digits = digest.partition(":")[2]
        tag = "" if reference.digest else f" ({reference.which.removeprefix(':')})"
        self.tell(f"Pulling image {digits}{tag} from {_shown(reference)}")
        self.tell(f"Pulling {digits} metadata")
        config = skopeo.config(self.pinned(digest), self.access)
        _check(config, manifest.config.digest)
        return _Image(digest, manifest, read_config(config, len(manifest.layers), self._asked))

    def _manifest(self, wanted: Descriptor) -> bytes:
        data = skopeo.manifest(self.pinned(wanted.digest), self.access)
        _check(data, wanted.digest)
        return data


def _check(data: bytes, digest: str) -> None:
    kind, _, digits = digest.partition(":")
    if hashlib.new(kind, data).hexdigest() != digits:
        raise skopeo.RegistryFailed(
            f"the registry gives other bytes for {digest[:19]} than that stands for",
            hint=skopeo.ODD,
        )


@contextmanager
def _fetched(
    repository: Repository, remote: _Remote, image: _Image, progress: Progress
) -> Iterator[Parts]:
    """The image's layers, as they come; those that are known do not.

    Where all are, skopeo is asked all the same: whether the host's policy lets the image come.
    """
    layers = image.manifest.layers
    known = len(known_layers(repository, image.facts.diff_ids))
    for layer in layers[:known]:
        remote.tell(f"{layer.digest.partition(':')[2]} is here already")
    missing = layers[known:]
    remote.check_size(_size(missing))
    _check_room(repository, missing)
    with ExitStack() as stack:
        place = stack.enter_context(scratch_directory(repository)) / "layout"
        _stand_in(place, layers, known)
        largest = max((layer.size for layer in missing), default=0)
        copy = stack.enter_context(
            skopeo.receiving(remote.pinned(image.digest), place, remote.access, largest)
        )
        arriving = _Arriving(copy, place, missing, progress)
        if not missing:
            arriving.wait_for_end()
        opened = stack.enter_context(DirectoryPlace(place))

        def arrived(number: int) -> Slice:
            wanted = layers[number]
            remote.tell(f"Pulling {wanted.digest.partition(':')[2]} fs layer")
            arriving.wait_for(wanted)
            return part_of(opened, wanted)

        yield Parts(image.facts, arrived)


def _size(layers: tuple[Descriptor, ...]) -> int:
    """Bytes of layers as they are fetched: those that are there twice once."""
    return sum({layer.digest: layer.size for layer in layers}.values())


def _check_room(repository: Repository, layers: tuple[Descriptor, ...]) -> None:
    free = free_space(repository.scratch_dir)
    if _size(layers) > free:
        raise no_room(free)


def _stand_in(place: Path, layers: tuple[Descriptor, ...], known: int) -> None:
    """Have files of the right size, and nothing in them, where skopeo looks for known layers."""
    place.mkdir()
    wanted = {layer.digest for layer in layers[known:]}
    for layer in layers[:known]:
        if layer.digest not in wanted:
            path = place / blob_path(layer.digest)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.truncate(layer.size)


class _Arriving:
    """Layers on their way."""

    def __init__(
        self, copy: Copy, place: Path, layers: tuple[Descriptor, ...], progress: Progress
    ) -> None:
        self._copy = copy
        self._place = place
        self._size = _size(layers)
        self._before = self._amount()
        self._most = self._before + self._size + (len(layers) + _BESIDE << 20)
        self._progress = progress

    def wait_for(self, layer: Descriptor) -> None:
        """Wait until a layer is there, whole."""
        path = self._place / blob_path(layer.digest)
        if path.exists():
            return
        self._progress.phase("Downloading", self._size)
        self._progress.advance(self._amount() - self._before)
        self._copy.wait(path.exists, self._promised, self._progress.advance)

    def wait_for_end(self) -> None:
        """Wait until all is there, and whoever is to agree has agreed."""
        self._copy.wait(lambda: False, self._promised, self._progress.advance)

    def _promised(self) -> int:
        """Bytes that are there so far, which are no more than the manifest says. BadLayout."""
        amount = self._amount()
        if amount > self._most:
            raise BadLayout(f"the registry sends more than the {self._size:,} bytes of the layers")
        return amount

    def _amount(self) -> int:
        """Bytes that are there so far, of all layers."""
        count = 0
        for directory, _, names in os.walk(self._place):
            for name in names:
                with suppress(FileNotFoundError):  # it has its final name by now
                    status = os.lstat(f"{directory}/{name}")
                    # Some file systems give a file that grows more than it has.
                    count += min(status.st_size, status.st_blocks * 512)
        return count
