"""Whom lxgit is measured against, each with a store of its own that nothing else uses."""
