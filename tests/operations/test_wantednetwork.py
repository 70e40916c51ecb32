"""What a container's network is to be, from options and image."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from lxgit.errors import UsageError
from lxgit.objects.imageconfig import ImageConfig
from lxgit.operations.inspectnetwork import network_settings
from lxgit.operations.wantednetwork import TooManyPorts, WantedNetwork
from lxgit.runtime.config import Settings
from lxgit.runtime.network.endpoint import Endpoint

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.repository import Repository


IMAGE = ImageConfig(exposed_ports=("443", "53/udp", "3868/sctp"))


def test_what_is_exposed_is_the_images_and_ones_own(repository: Repository) -> None:
    wanted = WantedNetwork(publish=("80", "80", "8080:443"), expose=("22/tcp", "53/udp"))
    settings = wanted.checked(IMAGE, repository)
    assert settings["exposed"] == ("22/tcp", "53/udp", "80/tcp", "443/tcp")
    assert settings["publish"] == (":80/tcp", "8080:443/tcp")
    assert not settings["publish_all"]


def test_ranges_without_end(repository: Repository) -> None:
    """An image of 50 KB that says the same ports two hundred million times."""
    every = ImageConfig(exposed_ports=("1-65535/tcp", "1-65535/udp"))
    assert len(WantedNetwork().checked(every, repository)["exposed"]) == 2 * 65_535
    ranges = ImageConfig(exposed_ports=tuple(f"{first}-65535/tcp" for first in range(1, 4000)))
    begun = time.process_time()
    with pytest.raises(TooManyPorts, match="the image exposes more than 131,072 ports"):
        WantedNetwork().checked(ranges, repository)
    assert time.process_time() - begun < 20


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (WantedNetwork(networks=("none",), publish=("80",)), "nothing to publish"),
        (WantedNetwork(networks=("host",), publish_all=True), "nothing to publish"),
        (WantedNetwork(networks=("none", "bridge")), "there is no other"),
        (WantedNetwork(networks=("host",), aliases=("db",)), "no --network-alias"),
        (WantedNetwork(networks=("none",), address="10.1.1.1"), "no --ip"),
        (WantedNetwork(networks=("bridge", "bridge")), "said twice"),
        (WantedNetwork(address="10.1.1.1"), "no subnet that somebody chose"),
        (WantedNetwork(aliases=("a b",)), "'a b' cannot be a name of a host"),
        (WantedNetwork(mac="01:00:00:00:00:01"), "no Ethernet address of one interface"),
        (WantedNetwork(mac="02:00:00"), "no Ethernet address of one interface"),
        (WantedNetwork(networks=("name=a,name=b",)), "says 'name' twice"),
        (WantedNetwork(networks=('name=bridge,"alias=x,y"',)), "'x,y' cannot be a name of a host"),
        (WantedNetwork(publish=("x",)), "'x' names no port"),
        (WantedNetwork(expose=("0",)), "'0' names no port"),
        (WantedNetwork(dns=("example.org",)), "'example.org' is no address"),
        (WantedNetwork(add_host=("db",)), "'' is no address"),
        (WantedNetwork(add_host=("a b:192.0.2.1",)), "names no host"),
        (WantedNetwork(add_host=("a\nb:192.0.2.1",)), "names no host"),
    ],
)
def test_what_cannot_be_is_said(wanted: WantedNetwork, words: str, repository: Repository) -> None:
    with pytest.raises(UsageError, match=words):
        wanted.checked(IMAGE, repository)


def test_the_default_is_meant_in_either_form(repository: Repository) -> None:
    for text in ("default", "name=default,alias=x"):
        wanted = WantedNetwork(networks=(text,))
        assert not wanted.named
        assert wanted.checked(IMAGE, repository)["network"] == "bridge"


def test_addresses_of_hosts(repository: Repository) -> None:
    given = ("db:2001:db8::1", "host:host-gateway")
    assert WantedNetwork(add_host=given).checked(IMAGE, repository)["extra_hosts"] == given


def test_inspect_has_dockers_keys(tmp_path: Path) -> None:
    ports = ("49153:80/tcp", "127.0.0.1:8080:80/tcp")
    addresses = ("10.130.4.2", 22, "10.130.4.1", "", 0, "", "02:6c:78:67:00:02")
    config = Settings(network="bridge", exposed=("80/tcp", "443/tcp"))
    end = Endpoint("lxgit0", *addresses, ports)
    told = network_settings(config, end, {"bridge": end}, tmp_path)
    assert told["Ports"] == {
        "80/tcp": [
            {"HostIp": "0.0.0.0", "HostPort": "49153"},
            {"HostIp": "127.0.0.1", "HostPort": "8080"},
        ],
        "443/tcp": None,
    }
    for shown in (told, told["Networks"]["bridge"]):
        assert (shown["IPAddress"], shown["IPPrefixLen"], shown["Gateway"]) == addresses[:3]
    stopped = network_settings(config, None, {}, tmp_path)
    assert stopped["Ports"] == {}
    assert stopped["Networks"]["bridge"]["IPAddress"] == ""
