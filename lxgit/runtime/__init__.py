"""A commit, running: layers, overlay, id maps, LXC, the supervisor. Linux only."""
