"""What the environment says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lxgit.cli import environment
from lxgit.cli.output import Output
from lxgit.cli.session import Session
from lxgit.operations.store import NoStore, StoreDenied

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    for name in ("LXGIT_STORE", "XDG_DATA_HOME", "GIT_PAGER", "PAGER", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return Session(Output(1))


def become_user(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """For whoever asks who has called: the kernel still knows better."""
    monkeypatch.setattr(environment, "USER", 1000)
    monkeypatch.setenv("HOME", str(home))


def test_the_store_of_root_and_of_others(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(environment, "USER", 0)
    assert session.store == "/var/lib/lxgit"
    become_user(monkeypatch, tmp_path)
    assert session.store == str(tmp_path / ".local/share/lxgit")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert session.store == str(tmp_path / ".local/share/lxgit")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert session.store == "/data/lxgit"


def test_the_store_that_is_named(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LXGIT_STORE", "/variable/../elsewhere")
    assert session.store == "/elsewhere"
    monkeypatch.chdir(tmp_path)
    session.store_option = "here"
    assert session.store == str(tmp_path / "here")


def test_a_user_without_a_store_is_told_of_roots(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    become_user(monkeypatch, tmp_path)
    monkeypatch.setattr("lxgit.cli.session.ROOT_STORE", tmp_path)
    with pytest.raises(NoStore) as caught:
        session.repository()
    assert caught.value.hint == f"root has a store in {tmp_path}: sudo lxgit …"
    session.store_option = str(tmp_path / "mine")
    with pytest.raises(NoStore) as caught:
        session.repository()
    assert "sudo" not in (caught.value.hint or "")


@pytest.mark.root
def test_somebody_elses_store_is_denied(session: Session, tmp_path: Path) -> None:
    store = tmp_path / "store"
    session.store_option = str(store)
    session.repository(create=True)
    child = os.fork()
    if not child:
        os.setresuid(65534, 65534, 65534)
        other = Session(Output(1))
        other.store_option = str(store)
        try:
            other.repository()
        except StoreDenied as error:
            os._exit(0 if str(error.hint).startswith("sudo lxgit …") else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_pagers(session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.pager() == ""
    (tmp_path / "less").touch(0o755)
    assert environment.pager() == "less"
    monkeypatch.setenv("PAGER", "more")
    assert environment.pager() == "more"
    monkeypatch.setenv("GIT_PAGER", "cat")
    assert environment.pager() == ""
    monkeypatch.setenv("GIT_PAGER", "")
    assert environment.pager() == ""


def test_editors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GIT_EDITOR", "VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.editor() == "vi"
    (tmp_path / "editor").touch(0o755)
    assert environment.editor() == "editor"
    monkeypatch.setenv("EDITOR", "ed")
    assert environment.editor() == "ed"
    monkeypatch.setenv("VISUAL", "vim -f")
    assert environment.editor() == "vim -f"
    monkeypatch.setenv("GIT_EDITOR", "emacs")
    assert environment.editor() == "emacs"
