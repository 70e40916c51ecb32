"""A bridge's parts: what is asked for, addresses, rules, files of /etc; each by itself."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.errors import UsageError
from lxgit.records import asdict
from lxgit.runtime import rundir
from lxgit.runtime.checksums import with_checksum
from lxgit.runtime.network import (
    bridging,
    firewall,
    hosts,
    owners,
    publishing,
    records,
    reserving,
    resolver,
    subnets,
)
from lxgit.runtime.network.publishing import Port, Publication
from lxgit.runtime.network.records import Bridge, DamagedNote, Member
from lxgit.runtime.network.resolver import Wanted
from lxgit.runtime.networks import STORES_OWN, Network
from tests.support import netns, rlimits

if TYPE_CHECKING:
    from collections.abc import Iterator

NONE = "# no resolver of the host can be reached from a bridge: --dns ADDRESS\n"
BRIDGE = Bridge("lxgit0", "10.130.4.0", "fd12:3456:789a::", 1500)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4444", Publication(Port(4444, "tcp"))),
        ("8080:80", Publication(Port(80, "tcp"), "", 8080)),
        ("53/udp", Publication(Port(53, "udp"))),
        ("127.0.0.1:8080:80/tcp", Publication(Port(80, "tcp"), "127.0.0.1", 8080)),
        ("192.0.2.1::80", Publication(Port(80, "tcp"), "192.0.2.1")),
        ("[2001:DB8:0::1]:5353:53/udp", Publication(Port(53, "udp"), "2001:db8::1", 5353)),
        ("8000-8010:80", Publication(Port(80, "tcp"), "", 8000, 8010)),
        ("[::1]:8000-8010:80/udp", Publication(Port(80, "udp"), "::1", 8000, 8010)),
        ("8000-8000:80", Publication(Port(80, "tcp"), "", 8000)),
    ],
)
def test_what_p_means(text: str, expected: Publication) -> None:
    assert Publication.parsed(text) == expected
    assert Publication.parsed(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "x",
            "0",
            "65536",
            "80/sctp",
            "1.2.3.4:80",
            "1.2.3:80:80",
            "[::g]:80:80",
            "80:",
            "-1",
        ),
        *(
            "90-80",
            "80-",
            "80-65536",
            "0-80",
            "8000-8010:80-82",
            "8000:80-81",
            "1-2-3",
            "1.2.3.4:1-2",
        ),
        "9" * 5000,
    ],
)
def test_what_p_refuses(text: str) -> None:
    with pytest.raises(UsageError):
        Publication.all_of(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80-82", [":80/tcp", ":81/tcp", ":82/tcp"]),
        ("8080-8081:80-81/udp", ["8080:80/udp", "8081:81/udp"]),
        ("127.0.0.1:8080-8081:80-81", ["127.0.0.1:8080:80/tcp", "127.0.0.1:8081:81/tcp"]),
        ("[::1]::80-81", ["[::1]::80/tcp", "[::1]::81/tcp"]),
    ],
)
def test_a_range_is_one_publication_a_port(text: str, expected: list[str]) -> None:
    assert [str(one) for one in Publication.all_of(text)] == expected
    with pytest.raises(UsageError, match="names no port"):
        Publication.parsed(text)


def test_publish_all_adds_what_is_exposed_and_not_named() -> None:
    found = publishing.wanted(["8080:80"], ["443/tcp", "80/tcp", "53/udp"], everything=True)
    assert [str(one) for one in found] == ["8080:80/tcp", ":53/udp", ":443/tcp"]


def test_a_bridge_keeps_its_name() -> None:
    """From one version to the next: containers run on it meanwhile."""
    red = Network(id="a" * 64, name="red")
    names = [bridging.name_of("/var/lib/lxgit", one) for one in (STORES_OWN, red)]
    assert names == ["lxgit38130ce6", "lxgit63379746"]


@pytest.mark.parametrize("store", ["/var/lib/lxgit", "/srv/other"])
def test_a_subnet_touches_nothing_that_is_in_use(store: str) -> None:
    first = subnets.free_subnet([], store)
    assert subnets.free_subnet([(bytes(4), 0), (bytes(16), 64)], store) == first
    for prefix in (8, 12, 22, 30, 32):
        address = subnets.numbered(first, 513 if prefix == 32 else 0)
        if prefix == 8:
            with pytest.raises(subnets.AddressesExhausted):
                subnets.free_subnet([(address, prefix)], store)
            continue
        other = subnets.free_subnet([(address, prefix)], store)
        mask = max(0, 32 - max(prefix, subnets.PREFIX))
        assert int.from_bytes(other, "big") >> mask != int.from_bytes(address, "big") >> mask
        assert other != first


def test_numbers_are_given_out_once_and_end() -> None:
    taken: set[int] = set()
    for _ in range(1022):
        taken.add(subnets.free_number(taken))
    assert taken == set(range(1, 1023))
    with pytest.raises(subnets.AddressesExhausted, match="all 1022 addresses"):
        subnets.free_number(taken)


@pytest.mark.root
def test_the_kernel_takes_the_rules_and_lists_them() -> None:
    members = [
        Member("a" * 64, 2, ("web",), ("49153:80/tcp", "[::1]:49155:80/tcp", "49154:53/udp")),
        Member("b" * 64, 3, ("two",), ("192.0.2.1:80:80/tcp", "127.0.0.1:81:80/tcp")),
        Member("c" * 64, 4, ("six",), ("[2001:db8::1]:80:80/tcp", "0.0.0.0:82:80/tcp")),
    ]
    with netns.fresh():
        firewall.apply(firewall.ruleset(BRIDGE, []))
        firewall.apply(firewall.ruleset(BRIDGE, members))
        listed = subprocess.run(
            ["nft", "list", "chain", "inet", "lxgit0", "published"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        firewall.remove("lxgit0")
        firewall.remove("lxgit0")
        left = subprocess.run(["nft", "list", "tables"], check=True, capture_output=True)
    rules = [line.strip() for line in listed.splitlines() if "dnat" in line]
    assert rules == [
        "tcp dport 49153 dnat ip to 10.130.4.2:80",
        "tcp dport 49153 dnat ip6 to [fd12:3456:789a::2]:80",
        "udp dport 49154 dnat ip to 10.130.4.2:53",
        "udp dport 49154 dnat ip6 to [fd12:3456:789a::2]:53",
        "ip daddr 192.0.2.1 tcp dport 80 dnat ip to 10.130.4.3:80",
        "ip6 daddr 2001:db8::1 tcp dport 80 dnat ip6 to [fd12:3456:789a::4]:80",
        "tcp dport 82 dnat ip to 10.130.4.4:80",
    ]
    assert left.stdout == b""


@pytest.mark.root
def test_a_port_is_somebodys_once() -> None:
    with netns.fresh():
        web = Publication.parsed("8080:80")
        with reserving.reserved([web, Publication.parsed("8080:80/udp")]) as held:
            assert [len(one.sockets) for one in held] == [2, 2]
            for text in ("8080:80", "127.0.0.1:8080:80", "[::1]:8080:80", "8080:80/udp"):
                with pytest.raises(reserving.PortTaken, match="8080"):
                    reserving.reserve(Publication.parsed(text))
        with reserving.reserved([web]):
            pass
        with pytest.raises(reserving.NoSuchAddress, match=r"192\.0\.2\.7"):
            reserving.reserve(Publication.parsed("192.0.2.7:8080:80"))


@pytest.mark.root
def test_free_ports_are_from_49153_up() -> None:
    with netns.fresh(), socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 49154))
        foreign.listen()
        with reserving.reserved([Publication.parsed("80"), Publication.parsed("81")]) as held:
            assert [one.publication.host_port for one in held] == [49153, 49155]


@pytest.mark.root
def test_who_has_no_choice_goes_before_who_has_one() -> None:
    with netns.fresh():
        wanted = list(map(Publication.parsed, ["82", "8080-8082:80", "8080:81"]))
        with reserving.reserved(wanted) as held:
            ports = [one.publication.host_port for one in held]
            assert ports == [49153, 8081, 8080]
            with pytest.raises(reserving.PortTaken) as refused:
                reserving.reserve(Publication.parsed("8080-8081:80"))
            assert str(refused.value) == "ports 8080-8081/tcp of the host are taken"


@pytest.mark.root
def test_more_ports_than_files_may_be_open() -> None:
    with (
        rlimits.open_files(100),
        netns.fresh(),
        pytest.raises(reserving.PortRefused) as refused,
        reserving.reserved(Publication.all_of("20000-20099:80-179")),
    ):
        pass
    assert str(refused.value).endswith("of the host cannot be had: Too many open files")
    assert "ulimit -n" in str(refused.value.hint)


@pytest.mark.root
@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
def test_who_has_a_port_is_told_from_who_has_it_elsewhere(ip: str) -> None:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    at = f"[{ip}]" if ":" in ip else ip
    told = f"{Path('/proc/self/comm').read_text().strip()}, process {os.getpid()},"
    with netns.fresh(), socket.create_server((ip, 8080), family=family):
        for text in (f"{at}:8080:80", "8080:80", "0.0.0.0:8080:80"):
            assert owners.owner(Publication.parsed(text), "/store") == told
        for text in ("127.0.0.2:8080:80", "8081:80", f"{at}:8080:80/udp"):
            assert owners.owner(Publication.parsed(text), "/store") is None


@pytest.mark.parametrize(
    ("own", "behind", "with_v6", "expected"),
    [
        ("nameserver 192.0.2.1\nsearch a.org\n", "", False, "search a.org\nnameserver 192.0.2.1\n"),
        ("nameserver 127.0.0.53\n", "nameserver 192.0.2.2\n", False, "nameserver 192.0.2.2\n"),
        ("nameserver 127.0.0.53\n", "nameserver 127.0.0.1\n", False, NONE),
        ("nameserver ::1\nnameserver 192.0.2.3\n", "", True, "nameserver 192.0.2.3\n"),
        ("nameserver 2001:db8::1\n", "nameserver 192.0.2.4\n", False, "nameserver 192.0.2.4\n"),
        ("nameserver 2001:db8::1\n", "nameserver 192.0.2.4\n", True, "nameserver 2001:db8::1\n"),
        ("# none\nnameserver fe80::1%eth0\n", "", True, NONE),
    ],
)
def test_a_resolver_that_can_be_reached_from_a_bridge(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own: str,
    behind: str,
    with_v6: bool,
    expected: str,
) -> None:
    (tmp_path / "own").write_text(own)
    (tmp_path / "behind").write_text(behind)
    monkeypatch.setattr(resolver, "RESOLV_CONF", str(tmp_path / "own"))
    monkeypatch.setattr(resolver, "BEHIND", (str(tmp_path / "no"), str(tmp_path / "behind")))
    assert resolver.for_bridge(Wanted(), with_v6=with_v6).decode() == expected
    others = resolver.for_bridge(Wanted(("192.0.2.9",)), with_v6=with_v6)
    assert others.endswith(b"nameserver 192.0.2.9\n")


def test_what_a_container_wrote_to_its_hosts_stays(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("127.0.0.1\tlocalhost")
    lines = hosts.of_members(BRIDGE, [Member("a" * 64, 2, ("web", "aaa"))])
    with file.open("r+b", buffering=0) as opened:
        hosts.update(opened.fileno(), lines)
        opened.seek(0, 2)
        opened.write(b"192.0.2.1\tmine\n")
        hosts.update(opened.fileno(), b"")
        hosts.update(opened.fileno(), lines)
    first, begin, *members, end, last = file.read_text().splitlines()
    assert (first, last) == ("127.0.0.1\tlocalhost", "192.0.2.1\tmine")
    assert begin.startswith("# ")
    assert end.startswith("# ")
    assert members == ["10.130.4.2\tweb aaa", "fd12:3456:789a::2\tweb aaa"]


def test_who_leaves_while_somebody_looks_is_not_on_the_bridge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is listed, and its record has gone when that is read."""
    monkeypatch.setattr(rundir, "CONTAINERS", tmp_path)
    stays, leaves = (digit * 64 for digit in "12")
    for container in (stays, leaves):
        (tmp_path / container).mkdir()
    place = tmp_path / "bridge"
    records.write_member(place, Member(stays, 2, ("web",)))
    (place / leaves).symlink_to("nowhere")
    assert [one.container for one in records.members(place)] == [stays]
    assert records.members(tmp_path / "none") == []


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b"[]", b'"x"', b'{"names": 1}'])
def test_notes_that_are_damaged_are_told_of(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bridge").write_bytes(content)
    (tmp_path / ("a" * 64)).write_bytes(content)
    with pytest.raises(DamagedNote, match="bridge' is damaged"):
        records.bridge_at(tmp_path)
    with pytest.raises(DamagedNote, match="aaa' is damaged"):
        records.member_at(tmp_path, "a" * 64)


def test_notes_that_are_not_what_was_written_are_told_of(tmp_path: Path) -> None:
    container = "a" * 64
    records.write_bridge(tmp_path, BRIDGE)
    records.write_member(tmp_path, Member(container, 3, ("web",)))
    assert records.bridge_at(tmp_path) == BRIDGE
    assert records.member_at(tmp_path, container) == Member(container, 3, ("web",))
    for name, was, now in (("bridge", b"10.130.4.0", b"10.130.4"), (container, b" 3", b' "3"')):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes().replace(was, now))
    with pytest.raises(DamagedNote, match="bridge' is damaged"):
        records.bridge_at(tmp_path)
    with pytest.raises(DamagedNote, match="aaa' is damaged"):
        records.member_at(tmp_path, container)


def test_notes_of_before_there_were_checksums_are_read(tmp_path: Path) -> None:
    """Of what runs from before lxgit was brought up to date."""
    (tmp_path / "bridge").write_text(json.dumps(asdict(BRIDGE)))
    assert records.bridge_at(tmp_path) == BRIDGE


def test_what_a_newer_lxgit_has_added_to_notes_is_passed_over(tmp_path: Path) -> None:
    """Both may have containers on one bridge, as after an update."""
    member = Member("a" * 64, 3, ("web",))
    for name, note in (("bridge", BRIDGE), (member.container, member)):
        added = {**asdict(note), "added": ["later"]}
        (tmp_path / name).write_bytes(with_checksum(added))
    assert records.bridge_at(tmp_path) == BRIDGE
    assert records.member_at(tmp_path, member.container) == member


@pytest.mark.root
def test_a_damaged_note_is_in_the_way_of_no_other_bridge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rundir, "CONTAINERS", tmp_path / "c")
    monkeypatch.setattr(rundir, "NETWORKS", tmp_path / "n")
    damaged, dead, sound = (digit * 64 for digit in "123")
    for container in (damaged, sound):
        (tmp_path / "c" / container).mkdir(parents=True)
    (tmp_path / "n").mkdir()
    name = f"lxgit:{sound[:9]}"
    with netns.fresh(), socket.create_server(("127.0.0.1", 8080)), named(name):
        for container in (damaged, dead, sound):
            place = records.place_of(f"lxgit{container[:1]}")
            records.write_member(place, Member(container, 2, (f"name{container[:1]}",)))
            records.write_bridge(place, BRIDGE)
        (records.place_of("lxgit1") / damaged).write_bytes(b"{}")
        records.forget_dead()
        # The addresses that it has stay in use.
        assert records.places() == [records.place_of(f"lxgit{digit}") for digit in "13"]
        told = owners.owner(Publication.parsed("8080:80"), BRIDGE.store)
        assert told == "container 'name3'"


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Call this process so meanwhile, as a supervisor is called."""
    comm = Path("/proc/self/comm")
    before = comm.read_text()
    comm.write_text(name)
    try:
        yield
    finally:
        comm.write_text(before)
