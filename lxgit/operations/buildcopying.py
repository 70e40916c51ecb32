"""COPY, ADD and WORKDIR: what they take, what the cache knows it by, and the files to write."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress

from lxgit.build.archives import Archives
from lxgit.build.copying import copy_into
from lxgit.build.dockerfile import copied_words
from lxgit.build.ownership import NoSuchOwner, Owner, owner_of
from lxgit.build.sources import ImageSource
from lxgit.build.taking import CopyRequest, Root, Taken, is_address, is_repository, take
from lxgit.build.writing import write_changes
from lxgit.objects.dockerlines import BadInstruction
from lxgit.objects.filetree import Node
from lxgit.objects.metadata import Kind, Metadata
from lxgit.objects.words import Room, expand, expand_all, expand_text
from lxgit.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lxgit.build.dockerfile import Step
    from lxgit.build.sources import Source
    from lxgit.objects.dockerlines import Heredoc
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.image import Image
    from lxgit.objects.imageconfig import ImageConfig
    from lxgit.objects.instructions import Scope
    from lxgit.objects.links import Links
    from lxgit.objects.packwriter import PackWriter
    from lxgit.operations.buildcommits import WriteFiles
    from lxgit.operations.buildsteps import Site
    from lxgit.progress import Progress
    from lxgit.repository import Repository


@contextmanager
def copied(
    site: Site, step: Step, source: Source, config: ImageConfig, scope: Scope
) -> Iterator[tuple[tuple[str, ...], WriteFiles]]:
    """What the result of COPY or ADD hangs on, and what writes it while this lasts.

    That is a digest of what it takes, and where it goes and whose it is, expanded.
    """
    request = _request(site, step, config, scope)
    with (
        Archives(site.repository.scratch_dir, site.progress) as archives,
        _fetched(site, step, request, config, scope) as whole,
    ):
        taken = take(source, whole)
        files = writes(site.repository, config, taken, whole, archives, site.progress)
        yield (taken.digest.hex(), whole.destination, whole.chown, whole.chmod), files


@contextmanager
def _fetched(
    site: Site, step: Step, request: CopyRequest, config: ImageConfig, scope: Scope
) -> Iterator[CopyRequest]:
    """The request with what is at its addresses, if it has any, and is no COPY."""
    addresses = [word for word in request.sources if is_address(word)]
    if step.name == "INSERT" and len(addresses) != 1:
        raise BadInstruction("it takes one address, and a path", hint="COPY takes files")
    if step.flag("checksum"):
        if not addresses:
            raise BadInstruction("--checksum is of an address", hint="'sha256sum' checks a file")
        if len(request.sources) + len(request.inline) != 1:
            raise BadInstruction("--checksum is of one address", hint="an ADD for each source")
    if step.name == "COPY" or not addresses:
        yield request
        return
    from lxgit.operations.cloning import cloned
    from lxgit.operations.fetching import fetched

    proxies, progress = site.request.proxies, site.progress
    with ExitStack() as stack:
        trees = {
            address: stack.enter_context(
                cloned(address, site.owner, proxies=proxies, progress=progress)
            )
            for address in filter(is_repository, addresses)
        }
        nodes = stack.enter_context(
            fetched(
                site.repository,
                [address for address in addresses if address not in trees],
                checksum=scope.word(step.flag("checksum"), config),
                proxies=proxies,
                progress=progress,
            )
        )
        yield replace(request, fetched=nodes, trees=trees)


def directory_made(site: Site, config: ImageConfig) -> WriteFiles:
    """What writes an image with the directory of its WORKDIR, its own if it has it.

    What is made belongs to its USER, to root where the image does not know that one.
    """

    def write(image: Image, writer: PackWriter) -> tuple[ObjectID, Links]:
        source = ImageSource(image, site.repository.objects)
        owner = Owner(0, 0)
        with suppress(NoSuchOwner):
            owner = owner_of(config.user or "0", source)
        request = CopyRequest((), config.working_dir, site.now, chown=f"{owner.uid}:{owner.gid}")
        nothing = Root(b"", Node(Kind.DIRECTORY, Metadata(0o755, 0, 0, site.now)))
        taken = Taken((nothing,), b"", {})
        archives = Archives(site.repository.scratch_dir, site.progress)
        made = writes(site.repository, config, taken, request, archives, site.progress)
        return made(image, writer)

    return write


def writes(
    repository: Repository,
    config: ImageConfig,
    taken: Taken,
    request: CopyRequest,
    archives: Archives,
    progress: Progress,
) -> WriteFiles:
    """What writes an image with what was taken, while `archives` are open."""
    objects = repository.objects

    def write(image: Image, writer: PackWriter) -> tuple[ObjectID, Links]:
        progress.phase("Copying")
        source = ImageSource(image, objects)
        changes = copy_into(source, config.working_dir, taken, request, archives)
        written = write_changes(changes, image, taken.ids, objects, writer)
        progress.phase("")
        return written

    return write


def _request(site: Site, step: Step, config: ImageConfig, scope: Scope) -> CopyRequest:
    """The instruction with what its variables stand for. BadInstruction, BadWord."""
    known = scope.variables(config)
    words = expand_all(copied_words(step.rest, scope.escape), known, scope.escape)
    room = Room()
    documents = {
        expand(one.word, {}, scope.escape): (one.name, _content(one, known, room))
        for one in step.heredocs
    }
    *sources, destination = words
    return CopyRequest(
        sources=tuple(word for word in sources if word not in documents),
        destination=destination,
        now=site.now,
        inline=tuple(documents[word] for word in sources if word in documents),
        unpack=step.name == "ADD" and step.switch("unpack", default=True),
        unpack_fetched=step.switch("unpack"),
        parents=step.switch("parents"),
        exclude=tuple(expand_all(step.all_of("exclude"), known, scope.escape)),
        chown=expand(step.flag("chown"), known, scope.escape),
        chmod=expand(step.flag("chmod"), known, scope.escape),
    )


def _content(document: Heredoc, known: Mapping[str, str], room: Room) -> bytes:
    text = document.content
    if document.expands:
        text = room.take(expand_text(text, known))
    return text.encode("utf-8", "surrogateescape")
