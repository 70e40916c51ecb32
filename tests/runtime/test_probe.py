"""What a host lacks is said in words, and a store on overlayfs is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lxgit.runtime import kernel, lxc, overlay, probe, rootless, rundir
from lxgit.runtime.idmap import Extent, IdMap, user_namespace
from tests.support.mounts import mounted


@pytest.fixture
def unprobed(scratch: Path) -> Path:
    """A store of which nothing is known."""
    return scratch


@pytest.mark.root
@pytest.mark.overlay
class TestAsRoot:
    def test_a_good_host_is_probed_once(self, unprobed: Path) -> None:
        probe.check_host(unprobed)
        assert os.listdir(unprobed) == [".probed"]
        assert (unprobed / ".probed").read_text() == rundir.boot_id()
        probe.check_host(unprobed)
        probe.check_host(unprobed, host_ids=True)
        assert (unprobed / ".probed-host").exists()

    def test_a_store_on_overlayfs(self, busybox: overlay.Lower) -> None:
        with (
            mounted([busybox]) as root,
            pytest.raises(probe.UnusableStore, match="is on overlayfs") as caught,
        ):
            probe.check_host(Path(f"/proc/self/fd/{root}/tmp"))
        assert "--store" in str(caught.value.hint)

    def test_a_store_where_overlayfs_cannot_write(self, unprobed: Path) -> None:
        """Ramfs has no extended attributes: overlayfs would be read-only, without a word."""
        place = unprobed / "ram"
        place.mkdir()
        kernel.mount("ramfs", place, b"ramfs")
        try:
            with pytest.raises(probe.UnusableStore):
                probe.check_host(place)
        finally:
            kernel.umount(place)

    def test_no_lxc(self, unprobed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lxc, "LXC_START", "/nowhere/lxc-start")
        with pytest.raises(probe.MissingProgram) as caught:
            probe.check_host(unprobed)
        assert caught.value.hint == "apt install lxc"

    def test_user_namespaces_forbidden(self) -> None:
        """In a user namespace of its own, whose limit can be set (namespaces(7))."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                with user_namespace(IdMap((Extent(0, 0, 65536),))) as namespace:
                    kernel.setns(namespace, kernel.CLONE_NEWUSER)
                Path("/proc/sys/user/max_user_namespaces").write_text("0")
                probe._probe_user_namespace()
            except probe.UnusableHost as error:
                os.write(write, f"{error.message}: {error.hint}".encode())
            finally:
                os._exit(0)
        os.close(write)
        with open(read, "rb") as stream:
            said = stream.read().decode()
        os.waitpid(child, 0)
        assert "no user namespace" in said
        assert "max_user_namespaces" in said

    def test_an_ordinary_user(self, unprobed: Path) -> None:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.seteuid(65534)
                probe.check_host(unprobed)
            except rootless.NoNamespace:  # nobody has ids of /etc/subuid
                code = 42
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42


class TestAppArmor:
    @pytest.fixture
    def files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
        enabled, profiles = tmp_path / "enabled", tmp_path / "profiles"
        monkeypatch.setattr(probe, "_APPARMOR_ENABLED", enabled)
        monkeypatch.setattr(probe, "_APPARMOR_PROFILES", profiles)
        return enabled, profiles

    def test_none(self, files: tuple[Path, Path]) -> None:
        assert probe.apparmor_profile() is None
        files[0].write_text("N\n")
        assert probe.apparmor_profile() is None

    def test_on(self, files: tuple[Path, Path]) -> None:
        files[0].write_text("Y\n")
        files[1].write_text("man_groff (enforce)\nlxc-container-default-cgns (enforce)\n")
        assert probe.apparmor_profile() == "lxc-container-default-cgns"

    def test_one_that_was_asked_for(self, files: tuple[Path, Path]) -> None:
        with pytest.raises(probe.UnusableHost, match="no AppArmor"):
            probe.apparmor_profile("own")
        files[0].write_text("Y\n")
        files[1].write_text("own (enforce)\n")
        assert probe.apparmor_profile("own") == "own"
        with pytest.raises(probe.UnusableHost, match="'other' is not loaded"):
            probe.apparmor_profile("other")

    def test_on_without_the_profile(self, files: tuple[Path, Path]) -> None:
        files[0].write_text("Y\n")
        files[1].write_text("lxc-container-default-cgns-x (enforce)\n")
        with pytest.raises(probe.UnusableHost, match="not loaded") as caught:
            probe.apparmor_profile()
        assert "apparmor_parser" in str(caught.value.hint)
