"""What the tests share: the machine, root filesystems, the program, comparisons."""
