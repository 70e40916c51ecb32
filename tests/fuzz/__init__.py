"""Hostile bytes into everything that reads bytes."""
