"""lxgit against its peers, on the same input, in one run: `make bench`."""
