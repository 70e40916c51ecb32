"""A Dockerfile becomes commits."""
