"""A store for images that no commit needs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lxgit.repository import create_repository
from tests.support.stores import image_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.objects.image import Image
    from lxgit.objects.imageconfig import ImageConfig
    from lxgit.repository import Repository


class Images:
    """Makes images of directories."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    def of(self, root: Path, config: ImageConfig | None = None) -> Image:
        fd = os.open(root, os.O_RDONLY)
        try:
            return image_of(self.repository, fd, config)
        finally:
            os.close(fd)


@pytest.fixture
def images(store_dir: Path) -> Iterator[Images]:
    repository = create_repository(store_dir)
    yield Images(repository)
    repository.objects.close()
