"""The stages of a Dockerfile: which of them a build needs, and what each of them begins with."""

from __future__ import annotations

from contextlib import suppress

from lxgit.build.dockerfile import Step, at, parse_later
from lxgit.build.runmounts import origin_of
from lxgit.build.sources import ImageSource
from lxgit.errors import LxgitError
from lxgit.objects.dockerlines import BadInstruction
from lxgit.objects.ids import hex_id
from lxgit.objects.words import expand, quoted
from lxgit.operations.buildcommits import empty_image
from lxgit.operations.buildsteps import Stage
from lxgit.operations.lookup import image_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.build import dockerfile
    from lxgit.build.sources import Source
    from lxgit.objects.ids import ObjectID
    from lxgit.operations.buildsteps import Site

SCRATCH = "scratch"

_SAME_PLATFORM = {"linux/arm64": "linux/arm64/v8"}
"""Another name of a platform: arm64 has one variant."""


class NoSuchStage(LxgitError):
    """A stage that the Dockerfile has not, or not yet."""


class OtherPlatform(LxgitError):
    """A system or a processor that this machine is not."""


class Stages:
    """The stages of one build; each is built once, when it is wanted for the first time."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stages = site.dockerfile.stages
        self._built: dict[int, ObjectID] = {}
        self._asked: set[str] = set()
        self._arguments: dict[int, dict[str, str]] = {}
        self._last = self._target(site.request.target)

    def build(self) -> ObjectID:
        """The commit of the last stage, or of `--target`; those that it does not need are left out.

        They are built in the order of the file.
        """
        for index in sorted(self._needed(self._last)):
            self._commit(index)
        return self._built[self._last]

    def _target(self, name: str | None) -> int:
        if name is None:
            return len(self._stages) - 1
        index = self._index(name, len(self._stages))
        if index is None:
            names = " ".join(stage.name for stage in self._stages if stage.name)
            raise NoSuchStage(
                f"the Dockerfile has no stage '{name}'",
                hint=f"its stages are {names}" if names else "FROM IMAGE AS NAME makes one",
            )
        return index

    def _index(self, name: str, before: int) -> int | None:
        """The stage of that name or number, of those before another; the last of that name."""
        if name.isdecimal() and len(name) < 5 and int(name) < before:
            return int(name)
        same = [
            index
            for index, stage in enumerate(self._stages[:before])
            if name and stage.name == name.lower()
        ]
        return same[-1] if same else None

    def _needed(self, last: int) -> set[int]:
        """A stage, those that it begins with or copies from, and so on."""
        needed, wanted = set(), [last]
        while wanted:
            index = wanted.pop()
            if index not in needed:
                needed.add(index)
                wanted += self._uses(index)
        return needed

    def _uses(self, index: int) -> Iterator[int]:
        stage = self._stages[index]
        named = [self._base(stage), *(step.flag("from") for step in stage.steps)]
        named += [self._shown(text) for step in stage.steps for text in step.all_of("mount")]
        for name in named:
            other = self._index(name, index)
            if other is not None and (name != named[0] or not name.isdecimal()):
                yield other

    def _shown(self, text: str) -> str:
        """Where the files of a mount come from, as far as that is known before its step is run."""
        with suppress(LxgitError):  # the step itself tells of it
            return origin_of(expand(text, self._site.outer, self._site.dockerfile.escape))
        return ""

    def _base(self, stage: dockerfile.Stage) -> str:
        """What FROM names, expanded."""
        with at(stage.origin):
            name = expand(stage.base, self._site.outer, self._site.dockerfile.escape)
            if not name:
                raise BadInstruction(f"'{stage.base}' stands for nothing", hint="ARG NAME=VALUE")
        return name

    def _commit(self, index: int) -> ObjectID:
        if index not in self._built:
            self._built[index] = self._run(index)
        return self._built[index]

    def _run(self, index: int) -> ObjectID:
        """Build a stage, step by step."""
        site, stage = self._site, self._stages[index]
        site.teller.begins(stage.origin.text, "")
        with at(stage.origin):
            self._check_platform(stage)
            begin = self._begin(index, self._base(stage))
        site.teller.made(hex_id(begin), cached=False)
        base = self._begins_with(index)
        known = {} if base is None else dict(self._arguments[base])
        state = Stage(site, begin, begin, lambda name: self._source(name, index), known)
        last = len(steps := self._steps(index, begin)) - 1
        for number, step in enumerate(steps):
            ends = index == self._last and number == last
            state.take(step, site.request.message if ends else None)
        self._arguments[index] = state.arguments
        return state.commit

    def _steps(self, index: int, begin: ObjectID) -> list[Step]:
        """What the image has put off, what stands in the file, and `--label`."""
        with at(self._stages[index].origin):
            kept = image_of(self._site.repository, begin).config.extra.get("OnBuild")
            later = [parse_later(str(text)) for text in kept] if isinstance(kept, list) else []
        steps = [*later, *self._stages[index].steps]
        if index == self._last and self._site.request.labels:
            steps.append(self._label())
        return steps

    def _label(self) -> Step:
        escape = self._site.dockerfile.escape
        pairs = " ".join(
            f"{quoted(name, escape)}={quoted(value, escape)}"
            for name, value in self._site.request.labels
        )
        return Step(0, "LABEL", pairs, " ".join(f"LABEL {pairs}".split()), place="--label")

    def _begin(self, index: int, name: str) -> ObjectID:
        """The commit that a stage begins with."""
        other = self._begins_with(index)
        if other is not None:
            return self._commit(other)
        if name == SCRATCH:
            return empty_image(self._site.repository, self._architecture, self._site.identity)
        return self._image(name)

    def _begins_with(self, index: int) -> int | None:
        """The stage before that a stage begins with, and whose arguments it knows."""
        name = self._base(self._stages[index])
        return None if name.isdecimal() else self._index(name, index)

    def _image(self, name: str) -> ObjectID:
        """An image's commit, pulled if it is not here."""
        from lxgit.operations.absent import ALWAYS, MISSING, Pulls, found_or_pulled

        site = self._site
        policy = ALWAYS if site.request.pull and name not in self._asked else MISSING
        self._asked.add(name)
        how = Pulls(policy, site.request.registries, site.teller.pulls)
        return found_or_pulled(
            site.repository, name, how, identity=site.identity, progress=site.progress
        )

    def _source(self, name: str, before: int) -> Source:
        """The files that `--from` names: of a stage before this one, or of an image."""
        other = self._index(name, before)
        commit = self._image(name) if other is None else self._commit(other)
        repository = self._site.repository
        return ImageSource(image_of(repository, commit), repository.objects)

    @property
    def _architecture(self) -> str:
        return self._site.outer["TARGETARCH"]

    def _check_platform(self, stage: dockerfile.Stage) -> None:
        written = stage.platform or self._site.request.platform or ""
        wanted = expand(written, self._site.outer, self._site.dockerfile.escape)
        own = f"linux/{self._architecture}"
        if wanted not in (own, _SAME_PLATFORM.get(own), "linux", ""):
            raise OtherPlatform(
                f"the platform '{wanted}' is another machine's",
                hint=f"this one's is {own}",
            )
