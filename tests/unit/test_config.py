"""Settings come from the environment, and a value that cannot be used says which variable it was."""

from dataclasses import FrozenInstanceError
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from zstack_mgmt.config import ConfigError, Settings


def test_an_empty_environment_gives_the_defaults():
    assert Settings.from_env({}) == Settings()


def test_the_process_environment_is_read_when_none_is_passed(monkeypatch):
    monkeypatch.setenv("PORT", "9090")
    assert Settings.from_env().port == 9090


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("DATABASE_URL", "postgresql://u:p@db/x", "postgresql://u:p@db/x"),
        ("PORT", "1234", 1234),
        ("LEASE_S", "22.5", 22.5),
        ("LOG_LEVEL", "Warning", "warning"),
        ("KVM_DRIVER", "libvirt", "libvirt"),
        ("DATA_DIR", "/srv/data", Path("/srv/data")),
        ("TIME_ZONE", "Asia/Shanghai", ZoneInfo("Asia/Shanghai")),
        ("WEBHOOK_ALLOW", "127.0.0.0/8, ::1/128", (ip_network("127.0.0.0/8"), ip_network("::1/128"))),
        ("WEBHOOK_PORTS", "443,8443", (443, 8443)),
        ("WEBHOOK_SCHEDULE_S", "1,2.5", (1.0, 2.5)),
        ("TRUSTED_PROXIES", "10.0.0.1", (ip_network("10.0.0.1/32"),)),
    ],
)
def test_a_variable_sets_the_field_of_its_name(variable, text, value):
    settings = Settings.from_env({variable: text})
    assert getattr(settings, variable.lower()) == value
    assert settings.given == {variable.lower()}


@pytest.mark.parametrize("variable", ["PORT", "DATABASE_URL", "WEBHOOK_ALLOW"])
def test_an_empty_variable_is_no_variable(variable):
    assert Settings.from_env({variable: ""}) == Settings()


def test_variables_of_others_are_passed_over():
    assert Settings.from_env({"HOME": "/root", "GIVEN": "port", "port": "1"}) == Settings()


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PORT", "http"),
        ("LEASE_S", "soon"),
        ("TIME_ZONE", "Mars/Olympus"),
        ("WEBHOOK_ALLOW", "10.0.0.1/8"),  # host bits set: the operator meant something else
        ("WEBHOOK_PORTS", "443,https"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("API_PROCESSES", "0"),
        ("LEASE_S", "nan"),
        ("LEASE_S", "inf"),
        ("STOP_GRACE_S", "1"),
        ("WEBHOOK_SCHEDULE_S", "5,-1"),
        ("LOG_LEVEL", "loud"),
        ("KVM_DRIVER", "xen"),
        ("LIBVIRT_VIRT_TYPE", "lxc"),
        ("DATABASE_URL", "mysql://db/x"),
        ("REDIS_URL", "redis.example:6379"),
        ("PUBLIC_URL", "cloud.example"),
        ("DIRECT_DATABASE_URL", "mysql://db/x"),
    ],
)
def test_a_value_that_does_not_parse_names_its_variable(variable, text):
    with pytest.raises(ConfigError, match=variable):
        Settings.from_env({variable: text})


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"LEASE_S": "4"}, "LEASE_RENEW_S must be less than LEASE_S"),
        ({"LEASE_RENEW_S": "15"}, "LEASE_RENEW_S must be less than LEASE_S"),
        ({"WEBHOOK_CONNECT_TIMEOUT_S": "20"}, "WEBHOOK_TOTAL_TIMEOUT_S"),
        ({"WEBHOOK_CONCURRENCY": "2"}, "WEBHOOK_PER_RECEIVER"),
        ({"DIRECT_DATABASE_URL": "postgresql://db/x"}, "DIRECT_DATABASE_URL is only for"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_by_name(env, named):
    with pytest.raises(ConfigError, match=named):
        Settings.from_env(env)


def test_what_needs_a_session_goes_past_a_pooler_and_all_urls_have_the_password():
    names = ("DATABASE_URL", "DIRECT_DATABASE_URL", "READ_DATABASE_URL")
    env = {name: f"postgresql://u@{name.lower()}/x" for name in names}
    settings = Settings.from_env(env | {"DATABASE_PASSWORD": "a/b"})
    assert settings.session_url == settings.direct_database_url
    assert [url for url in settings.server_urls if "u:a%2Fb@" in url] == list(settings.server_urls[:3])
    assert Settings.from_env({"DATABASE_URL": "postgresql://db/x"}).session_url == "postgresql://db/x"


def test_a_refusal_shows_no_secret():
    with pytest.raises(ConfigError) as refused:
        Settings.from_env({"DATABASE_URL": "mysql://u:hidden@db/x"})
    assert "hidden" not in str(refused.value)


def test_settings_do_not_change():
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1  # pyright: ignore[reportAttributeAccessIssue]
