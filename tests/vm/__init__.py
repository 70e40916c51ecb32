"""The main job where users live: stock Debian 13, booted in QEMU (`python -m tests.vm`)."""
