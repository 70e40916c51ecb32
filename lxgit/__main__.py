"""`python -m lxgit`."""

from __future__ import annotations

import sys

from lxgit.cli.main import main

sys.exit(main())
