"""A root filesystem as Git objects. No mounts, no containers, no network, no printing."""
