"""An ordinary user builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.ordinary import OrdinaryUser

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

RECIPE = """\
FROM base AS made
RUN id -u >/told && chown 33:44 /told && mkdir /d && echo x >/d/x
FROM base
COPY --from=made --chown=5:6 /d /srv/
COPY --from=made /told /told
ADD <<EOF /made/by/hand
by hand
EOF
USER 33
WORKDIR /made/dir
RUN --mount=type=cache,target=/c,mode=777 --mount=type=tmpfs,target=/t touch /c/x here
RUN stat -c %u:%g /told /srv/x /made/dir here; cat /made/by/hand
"""


def test_an_ordinary_user_builds(person: OrdinaryUser) -> None:
    (person.passage / "home/Dockerfile").write_text(RECIPE)
    words = ("build", "--network", "none", "-t", "built", str(person.passage / "home"))
    lines = person(*words, code=0).lines
    at = lines.index("33:44")
    assert lines[at : at + 5] == ["33:44", "5:6", "33:33", "33:0", "by hand"]
    again = person(*words, code=0).lines
    assert again.count("===> Using cache") == 8
    assert person("ps", "-aq", code=0).lines == []
    assert person("fsck", code=0).out.startswith("No faults")
