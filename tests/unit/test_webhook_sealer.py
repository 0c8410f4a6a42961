"""Secrets at rest: sealed for one context under a key that is made once, whoever starts first."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from zstack_mgmt.auth.keyring import load_keys
from zstack_mgmt.auth.secrets import Sealer, SealError
from zstack_mgmt.config import ConfigError, Settings

KEY = bytes(range(32))


def test_a_sealed_text_opens_with_the_same_key_and_context():
    sealed = Sealer(KEY).seal("päss", "ldap:1")
    assert "päss" not in sealed
    assert sealed.isascii()
    assert Sealer(KEY).open(sealed, "ldap:1") == "päss"


def test_the_same_text_is_sealed_differently_each_time():
    sealer = Sealer(KEY)
    assert sealer.seal("x", "c") != sealer.seal("x", "c")


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s[:-3] + "AA=",
        lambda s: s[3:],
        lambda s: "",
        lambda s: "s1.",
        lambda s: "s9" + s[2:],
        lambda s: s + "!",
    ],
)
def test_a_changed_text_does_not_open(change):
    sealer = Sealer(KEY)
    with pytest.raises(SealError):
        sealer.open(change(sealer.seal("secret", "c")), "c")


def test_another_context_or_key_does_not_open():
    sealed = Sealer(KEY).seal("secret", "webhook-secret:a")
    with pytest.raises(SealError):
        Sealer(KEY).open(sealed, "webhook-secret:b")
    with pytest.raises(SealError):
        Sealer(bytes(32)).open(sealed, "webhook-secret:a")


def test_keyed_hashes_differ_by_key_and_purpose():
    sealer = Sealer(KEY)
    digest = sealer.keyed_hash(b"data", "job")
    assert len(digest) == 32
    assert digest == Sealer(KEY).keyed_hash(b"data", "job")
    assert (
        len({digest, sealer.keyed_hash(b"data", "session"), Sealer(bytes(32)).keyed_hash(b"data", "job")})
        == 3
    )


def test_a_sealer_prints_nothing_of_its_key():
    assert KEY.hex() not in repr(Sealer(KEY))
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(b"short")


def test_the_setting_comes_before_the_file(tmp_path):
    assert load_keys(Settings(data_dir=tmp_path, secret_key="ab" * 32)) == (b"\xab" * 32,)
    assert not (tmp_path / "secret.key").exists()


@pytest.mark.parametrize("text", ["abc", "zz" * 32, "ab" * 33])
def test_a_malformed_key_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match="SECRET_KEY"):
        load_keys(Settings(data_dir=tmp_path, secret_key=text))
    (tmp_path / "secret.key").write_text(text)
    with pytest.raises(ConfigError, match="64 hex digits"):
        load_keys(Settings(data_dir=tmp_path))


def test_the_key_file_is_private_and_stays(tmp_path):
    settings = Settings(data_dir=tmp_path / "data")
    (key,) = load_keys(settings)
    path = tmp_path / "data" / "secret.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_keys(settings)[0] == key == bytes.fromhex(path.read_text().strip())


def test_processes_that_start_at_once_get_the_same_key(tmp_path):
    code = (
        "import sys; from pathlib import Path; from zstack_mgmt.config import Settings;"
        "from zstack_mgmt.auth.keyring import load_keys;"
        "print(load_keys(Settings(data_dir=Path(sys.argv[1])))[0].hex())"
    )

    def start(_: int) -> str:
        return subprocess.run(
            [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True
        ).stdout

    with ThreadPoolExecutor(6) as threads:
        assert len(set(threads.map(start, range(6)))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_a_fallback_opens_what_it_sealed_and_the_key_seals_it_anew():
    old, both = Sealer(KEY), Sealer(bytes(32), [KEY], KEY)
    sealed = old.seal("secret", "c")
    assert both.open(sealed, "c") == "secret"
    anew = both.renewed(sealed, "c")
    assert anew is not None
    assert Sealer(bytes(32)).open(anew, "c") == "secret"
    assert both.renewed(anew, "c") is None
    assert both.keyed_hash(b"x", "session") == old.keyed_hash(b"x", "session")
    with pytest.raises(SealError):
        both.renewed(sealed, "another")


def test_fallbacks_need_a_key_in_the_settings(tmp_path):
    with pytest.raises(ConfigError, match="SECRET_KEY_FALLBACKS"):
        load_keys(Settings(data_dir=tmp_path, secret_key_fallbacks=("ab" * 32,)))
    with pytest.raises(ConfigError, match="SECRET_KEY_FALLBACKS must hold 64"):
        load_keys(Settings(secret_key="ab" * 32, secret_key_fallbacks=("ab",)))
