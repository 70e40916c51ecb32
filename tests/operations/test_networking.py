"""What a container's network is to be, from options and image."""

from __future__ import annotations

import pytest

from lxgit.errors import UsageError
from lxgit.objects.imageconfig import ImageConfig
from lxgit.operations.networking import WantedNetwork, network_settings
from lxgit.runtime.network.endpoint import Endpoint

IMAGE = ImageConfig(exposed_ports=("443", "53/udp", "3868/sctp"))


def test_what_is_exposed_is_the_images_and_ones_own() -> None:
    wanted = WantedNetwork(publish=("80", "80", "8080:443"), expose=("22/tcp", "53/udp"))
    settings = wanted.checked(IMAGE)
    assert settings["exposed"] == ("22/tcp", "53/udp", "80/tcp", "443/tcp")
    assert settings["publish"] == (":80/tcp", "8080:443/tcp")
    assert not settings["publish_all"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (WantedNetwork(network="none", publish=("80",)), "nothing to publish"),
        (WantedNetwork(network="host", publish_all=True), "nothing to publish"),
        (WantedNetwork(publish=("x",)), "'x' names no port"),
        (WantedNetwork(expose=("0",)), "'0' names no port"),
        (WantedNetwork(dns=("example.org",)), "'example.org' is no address"),
        (WantedNetwork(add_host=("db",)), "'' is no address"),
        (WantedNetwork(add_host=("a b:192.0.2.1",)), "names no host"),
        (WantedNetwork(add_host=("a\nb:192.0.2.1",)), "names no host"),
    ],
)
def test_what_cannot_be_is_said(wanted: WantedNetwork, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        wanted.checked(IMAGE)


def test_addresses_of_hosts() -> None:
    given = ("db:2001:db8::1", "host:host-gateway")
    assert WantedNetwork(add_host=given).checked(IMAGE)["extra_hosts"] == given


def test_inspect_has_dockers_keys() -> None:
    ports = ("49153:80/tcp", "127.0.0.1:8080:80/tcp")
    addresses = ("10.130.4.2", 22, "10.130.4.1", "", 0, "", "02:6c:78:67:00:02")
    told = network_settings(Endpoint("lxgit0", *addresses, ports), ("80/tcp", "443/tcp"))
    assert told["Ports"] == {
        "80/tcp": [
            {"HostIp": "0.0.0.0", "HostPort": "49153"},
            {"HostIp": "127.0.0.1", "HostPort": "8080"},
        ],
        "443/tcp": None,
    }
    assert (told["IPAddress"], told["IPPrefixLen"], told["Gateway"]) == addresses[:3]
    assert network_settings(None, ("80/tcp",))["Ports"] == {}
