"""The steps of a stage, one by one: each becomes a commit, or is found in the cache."""

from __future__ import annotations

from lxgit.build.arguments import PROXIES, declared
from lxgit.build.dockerfile import at
from lxgit.build.runmounts import SCRIPT, run_mount
from lxgit.lean import NANOSECONDS
from lxgit.objects.commits import Signature
from lxgit.objects.dockerlines import BadInstruction, json_words
from lxgit.objects.ids import hex_id
from lxgit.objects.imageconfig import config_values
from lxgit.objects.instructions import SHELL, Scope, apply, shell_of, variables
from lxgit.operations.buildcache import cache_ref
from lxgit.operations.buildcommits import NO_PROGRAM, NewCommit, record
from lxgit.operations.lookup import image_of
from lxgit.records import dataclass, field, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lxgit.build.context import Context
    from lxgit.build.dockerfile import Dockerfile, Step
    from lxgit.build.runmounts import RunMount
    from lxgit.build.sources import Source
    from lxgit.build.taking import Taken
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.image import Image
    from lxgit.objects.imageconfig import ImageConfig
    from lxgit.objects.words import Room
    from lxgit.operations.buildcommits import WriteFiles
    from lxgit.operations.buildvalues import BuildRequest, Teller
    from lxgit.operations.values import Identity, Streams
    from lxgit.progress import Progress
    from lxgit.repository import Repository


@dataclass(frozen=True, slots=True)
class Site:
    """What all stages of a build share.

    `outer` are the arguments before the first FROM, `room` is for those of all stages; `owner` is
    the build's own directory, by whose name its containers know it.
    """

    repository: Repository
    dockerfile: Dockerfile
    context: Context
    request: BuildRequest
    outer: Mapping[str, str]
    room: Room
    owner: Path
    streams: Streams
    teller: Teller
    identity: Identity
    progress: Progress

    @property
    def now(self) -> int:
        """The time of what the build makes, in nanoseconds since 1970."""
        return self.identity.committer.time * NANOSECONDS

    def cached(self, ref: str) -> ObjectID | None:
        """The commit that a ref of the cache names, if the cache may be used."""
        return self.repository.refs.read(ref) if self.request.use_cache else None


@dataclass(slots=True)
class Stage:
    """A stage on its way: the commit that it has come to, and what else the next step hangs on.

    `source_of` gives the files of another stage or image, by what `--from` says.
    """

    site: Site
    begin: ObjectID
    commit: ObjectID
    source_of: Callable[[str], Source]
    arguments: dict[str, str] = field(default_factory=dict)
    has_cmd: bool = False
    author: Signature | None = None

    @property
    def image(self) -> Image:
        return image_of(self.site.repository, self.commit)

    @property
    def config(self) -> ImageConfig:
        """The image's, without what it has put off for whoever begins with it."""
        config = self.image.config
        if self.commit != self.begin or "OnBuild" not in config.extra:
            return config
        extra = {key: value for key, value in config.extra.items() if key != "OnBuild"}
        return replace(config, extra=extra)

    @property
    def scope(self) -> Scope:
        return Scope(self.arguments, self.site.dockerfile.escape)

    def take(self, step: Step, message: str | None = None) -> None:
        """Go one step on; `message` is for the commit, in the place of the instruction."""
        self.site.teller.begins(step.text, hex_id(self.commit))
        with at(step):
            made = _STEPS.get(step.name, _config)(self, step, message or step.text)
        self.site.teller.made(hex_id(made.commit), cached=made.cached)
        self.commit = made.commit

    def recorded(
        self,
        message: str,
        config: ImageConfig,
        command: str,
        parts: tuple[object, ...] = (),
        files: WriteFiles | None = None,
    ) -> Made:
        """The commit of a step that runs nothing: found by all that it hangs on, or made."""
        ref = self.ref(message, config, command, *parts)
        if (found := self.site.cached(ref)) is not None:
            return Made(found, cached=True)
        said = (*SHELL, f"{NO_PROGRAM} {command}")
        new = NewCommit(self.commit, config, message, said, ref)
        return Made(record(self.site.repository, new, self.identity, files))

    def ref(self, message: str, config: ImageConfig, *parts: object) -> str:
        """The ref of the cache for a step that hangs on all this."""
        author = list(self.author[:2]) if self.author else None
        return cache_ref(self.commit, message, config_values(config), author, *parts)

    @property
    def identity(self) -> Identity:
        """Who writes a commit: MAINTAINER is its author."""
        who = self.site.identity
        if self.author is None:
            return who
        return who._replace(author=self.author._replace(time=who.author.time))


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a step; `cached` was there already."""

    commit: ObjectID
    cached: bool = False


def _config(stage: Stage, step: Step, message: str) -> Made:
    """An instruction for the image's config."""
    config = apply(stage.config, step.instruction, stage.scope)
    command = step.text
    if step.name == "CMD":
        stage.has_cmd = True
        command = f"CMD [{' '.join(config.cmd)}]"
    elif step.name == "ENTRYPOINT":
        if not stage.has_cmd:  # what an image runs is no argument of another's program
            config = replace(config, cmd=())
        command = f"ENTRYPOINT [{' '.join(config.entrypoint)}]"
    return stage.recorded(message, config, command)


def _arg(stage: Stage, step: Step, message: str) -> Made:
    config = stage.config
    site = stage.site
    known = stage.scope.variables(config)
    stage.arguments.update(
        declared(step, known, site.request.arguments, site.outer, site.dockerfile.escape, site.room)
    )
    return stage.recorded(message, config, step.text)


def _maintainer(stage: Stage, step: Step, message: str) -> Made:
    """Who is the author of this commit, and of those that follow in the stage."""
    name, bracket, address = step.rest.partition("<")
    stage.author = Signature(name.strip(), address.rstrip("> ") if bracket else "", 0)
    return stage.recorded(message, stage.config, step.text)


def _workdir(stage: Stage, step: Step, message: str) -> Made:
    """The directory is made where the image has none."""
    from lxgit.operations.buildcopying import directory_made

    config = apply(stage.config, step.instruction, stage.scope)
    files = directory_made(stage.site, config)
    return stage.recorded(message, config, step.text, (), files)


def _copy(stage: Stage, step: Step, message: str) -> Made:
    from lxgit.operations.buildcopying import copied

    source = stage.site.context.source
    if step.flag("from"):
        source = stage.source_of(stage.scope.word(step.flag("from"), stage.config))
    with copied(stage.site, step, source, stage.config, stage.scope) as (parts, files):
        return stage.recorded(message, stage.config, step.text, parts, files)


def _run(stage: Stage, step: Step, message: str) -> Made:
    """A command, in a container: told of the arguments that ENV does not hide, and of proxies."""
    site, config = stage.site, stage.config
    if step.flag("security", "sandbox") != "sandbox":
        raise BadInstruction("--security takes sandbox alone", hint="no step runs unconfined")
    wanted = [
        run_mount(text, config.working_dir or "/")
        for text in stage.scope.all_of(step.all_of("mount"), config)
    ]
    taken = _taken(stage, wanted)
    script = _script(step)
    command, known = (SCRIPT,) if script else _command(step, config), variables(config)
    told = {name: value for name, value in stage.arguments.items() if name not in known}
    network = step.flag("network") or site.request.network or "default"
    ref = stage.ref(
        message,
        config,
        [list(command), script] if script else list(command),
        told,
        [network, *site.request.hosts] if site.request.hosts else network,
        step.all_of("mount"),
        [one.digest.hex() for one in taken.values()],
    )
    if (found := site.cached(ref)) is not None:
        return Made(found, cached=True)
    from lxgit.operations.buildmounts import laid_out
    from lxgit.operations.buildrunning import RunStep, run_step

    proxies = {name: value for name, value in site.request.arguments.items() if name in PROXIES}
    environment = [f"{name}={value}" for name, value in (proxies | told).items()]
    with laid_out(site, wanted, taken, script) as shown:
        run = RunStep(
            stage.commit,
            config,
            command,
            (*environment, *shown.environment),
            None if network == "default" else network,
            shown.mounts,
            site.owner.name,
        )
        return Made(run_step(site, run, ref, message, stage.identity))


def _taken(stage: Stage, wanted: Sequence[RunMount]) -> dict[RunMount, Taken]:
    """The files that the mounts show."""
    if not wanted:
        return {}
    from lxgit.operations.buildmounts import taken_for

    return taken_for(stage, wanted)


def _script(step: Step) -> str:
    """A here-document that says who is to run it, `#!`; "" for another, or none."""
    documents = step.heredocs
    if len(documents) != 1 or step.rest != documents[0].word:
        return ""
    content = documents[0].content
    return content if content.startswith("#!") else ""


def _command(step: Step, config: ImageConfig) -> tuple[str, ...]:
    """The exec form as it is, a command line for the shell, or here-documents as scripts."""
    words = json_words(step.rest)
    if words:
        return words
    documents = step.heredocs
    if len(documents) == 1 and step.rest == documents[0].word:
        return (*shell_of(config), documents[0].content)
    lines = "".join(f"{one.content}{one.end}\n" for one in documents)
    return (*shell_of(config), f"{step.rest}\n{lines}" if lines else step.rest)


_STEPS: dict[str, Callable[[Stage, Step, str], Made]] = {
    "ADD": _copy,
    "ARG": _arg,
    "COPY": _copy,
    "INSERT": _copy,
    "MAINTAINER": _maintainer,
    "RUN": _run,
    "WORKDIR": _workdir,
}
"""What is more than a change of the image's config."""
