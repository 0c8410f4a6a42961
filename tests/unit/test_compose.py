"""compose.yaml holds together: its settings are ours, and what it refers to is there."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from zstack_mgmt.config import Settings

FILE = Path(__file__).parent.parent.parent / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service.get("image") == "zstack-mgmt"]
OF_THE_CONTAINER = {
    "HOST",
    "PORT",
    "DATA_DIR",
    "METRICS_DIR",
    "API_PROCESSES",
    "WORKER_PROCESSES",
    "WEBHOOK_PROCESSES",
}
"""Made by the image, or for a machine that runs all processes."""


@pytest.mark.parametrize("name", OURS)
def test_containers_get_every_setting(name):
    environment = SERVICES[name]["environment"]
    settings = {setting.upper() for setting in Settings.__annotations__} - {"GIVEN"}
    assert settings - set(environment) == OF_THE_CONTAINER
    assert set(environment) <= settings
    given = {setting for setting, value in environment.items() if value is not None}
    assert given == {"DATABASE_URL", "REDIS_URL", "SECRET_KEY"}  # the others are passed on, if they are set


@pytest.mark.parametrize("name", ["api", "worker"])
def test_who_asks_the_directory_gets_its_authorities(name):
    assert SERVICES[name]["volumes"] == ["${LDAP_CA_DIR:-ldap-ca}:/ldap-ca:ro"]


def test_what_is_referred_to_is_there():
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        for volume in service.get("volumes", ()):
            assert re.sub(r"^\$\{\w+:-([\w-]+)\}", r"\1", volume).partition(":")[0] in COMPOSE["volumes"]


def test_directory_starts_only_when_it_is_asked_for():
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["openldap"]
    assert not [name for name, service in SERVICES.items() if "openldap" in service.get("depends_on", ())]


def test_script_of_the_directory_is_one():
    script = SERVICES["openldap"]["command"][-1]
    assert not re.search(r"(?<!\$)\$(?!\$)", script.replace("$$", ""))  # compose would fill it in
    done = subprocess.run(
        ["bash", "-n"], input=script.replace("$$", "$"), text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
