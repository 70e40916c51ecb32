"""Containers on a bridge: addresses, names, published ports, the host's firewall."""
