"""Which server the directory tests get, and that it is told."""

from pathlib import Path

import pytest

from directory import DirectoryMissing, Ldaptor, prepare_directory
from slapd import Slapd, SlapdMissing, find_slapd, main


def test_slapd_that_cannot_be_had_is_replaced_and_the_reason_told(tmp_path, monkeypatch):
    monkeypatch.delenv("TEST_DIRECTORY", raising=False)
    monkeypatch.setenv("SLAPD", "/none/slapd")
    directory = prepare_directory(tmp_path)
    assert isinstance(directory.program, Ldaptor)
    assert directory.server.startswith("ldaptor, in Python: there is no slapd")


def test_slapd_that_does_not_work_is_replaced_and_the_reason_told(tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho it has no hands >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.delenv("TEST_DIRECTORY", raising=False)
    monkeypatch.setenv("SLAPD", str(broken))
    (tmp_path / "data").mkdir()
    assert prepare_directory(tmp_path / "data").server.startswith("ldaptor, in Python: slapd")


def test_choice_that_was_made_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_DIRECTORY", "ldaptor")
    assert prepare_directory(tmp_path).server == "ldaptor, in Python: TEST_DIRECTORY wants it"
    for choice in ("slapd", "something"):
        monkeypatch.setenv("TEST_DIRECTORY", choice)
        monkeypatch.setenv("SLAPD", "/none/slapd")
        with pytest.raises(DirectoryMissing, match="slapd"):
            prepare_directory(tmp_path)


def test_slapd_is_looked_for_beside_the_path(tmp_path, monkeypatch):
    binary = tmp_path / "sbin" / "slapd"
    binary.parent.mkdir()
    binary.touch(0o755)
    monkeypatch.delenv("SLAPD", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("slapd.PLACES", (str(tmp_path), str(binary.parent)))
    assert find_slapd() == binary
    assert Slapd().name == f"OpenLDAP slapd, {binary}"
    monkeypatch.setattr("slapd.PLACES", (str(Path(tmp_path, "none")),))
    with pytest.raises(SlapdMissing):
        find_slapd()


def test_set_up_says_in_one_line_what_serves_the_tests_instead(monkeypatch, capsys):
    monkeypatch.delenv("SLAPD", raising=False)
    monkeypatch.delenv("TEST_DIRECTORY", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("slapd.PLACES", ())
    main()
    said = capsys.readouterr().err
    assert said.startswith(
        "slapd is not installed and cannot be fetched (there is no apt-get to fetch it with)"
    )
    assert said.endswith("the directory tests are served by ldaptor, a directory in Python\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize("choice", ["ldaptor", ""])
def test_set_up_is_silent_when_there_is_nothing_to_do(tmp_path, monkeypatch, capsys, choice):
    monkeypatch.setenv("TEST_DIRECTORY", choice)
    monkeypatch.setenv("SLAPD", str(tmp_path / "slapd"))
    if not choice:
        (tmp_path / "slapd").touch(0o755)
    main()
    assert capsys.readouterr() == ("", "")
