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
    "CONSOLE_PROCESSES",
    "CONSOLE_PORT",
    "OPERATIONS_PORT",
}
"""Made by the image, or for a machine that runs all processes."""


@pytest.mark.parametrize("name", OURS)
def test_containers_get_every_setting(name):
    environment = SERVICES[name]["environment"]
    settings = {setting.upper() for setting in Settings.__annotations__} - {"GIVEN"}
    assert settings - set(environment) == OF_THE_CONTAINER
    assert set(environment) <= settings
    given = {setting for setting, value in environment.items() if value is not None}
    assert given == {
        "DATABASE_URL",
        "DATABASE_PASSWORD",
        "REDIS_URL",
        "SECRET_KEY",
        "CONSOLE_PUBLIC_URL",
    }  # the others are passed on, if they are set


@pytest.mark.parametrize("name", ["api", "worker"])
def test_who_asks_the_directory_gets_its_authorities(name):
    assert SERVICES[name]["volumes"] == ["${LDAP_CA_DIR:-ldap-ca}:/ldap-ca:ro"]


def test_what_is_referred_to_is_there():
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"])
        for volume in service.get("volumes", ()):
            if volume.startswith("./"):
                assert (FILE.parent / volume.partition(":")[0]).is_dir(), volume
                continue
            assert re.sub(r"^\$\{\w+:-([\w-]+)\}", r"\1", volume).partition(":")[0] in COMPOSE["volumes"]


def test_the_secrets_are_made_once_and_are_all_that_must_be_set(tmp_path):
    make = ["make", "--no-print-directory", "-f", str(FILE.with_name("Makefile")), "env"]
    first = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=True)
    written = (tmp_path / ".env").read_text()
    made = dict(line.split("=") for line in written.splitlines())
    asked_for = set(re.findall(r"(?<!\$)\$\{(\w+):\?", FILE.read_text()))
    assert asked_for <= set(made) == asked_for | {"ADMIN_PASSWORD", "METRICS_TOKEN"}
    assert all(name in first.stdout for name in made)
    assert Settings.from_env({name: value for name, value in made.items() if name != "POSTGRES_PASSWORD"})
    assert len(set(made.values())) == 4
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    again = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert again.stdout == ".env is there already, and stays as it is\n"
    assert (tmp_path / ".env").read_text() == written


def test_the_image_can_have_the_libvirt_driver(tmp_path):
    """No image is built here: the scripts parse, and do what the argument says."""
    image = (FILE.parent / "Dockerfile").read_text()
    assert SERVICES["api"]["build"]["args"] == {"LIBVIRT": "${LIBVIRT:-}"}
    stages = image.split("\nFROM ")[1:]
    scripts = [
        script.replace("\\\n", "")
        for stage in stages
        for script in re.findall(r"^RUN ((?:.*\\\n)*.*)$", stage, re.MULTILINE)
    ]
    assert len(scripts) == image.count("\nRUN ") > 3
    for script in scripts:
        done = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), script
    guarded = [stage for stage in stages if "$LIBVIRT" in stage]
    assert len(guarded) == 2
    assert all("\nARG LIBVIRT\n" in stage for stage in guarded), "an argument holds for its stage only"
    script = next(script for script in scripts if "libvirt0" in script)
    for name in ("apt-get", "rm"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} $1\n")
        (tmp_path / name).chmod(0o755)
    for argument, expected in (("", []), ("1", ["apt-get update", "apt-get install", "rm -rf"])):
        env = {"LIBVIRT": argument, "PATH": str(tmp_path)}
        ran = subprocess.run(["/bin/sh", "-c", script], env=env, text=True, capture_output=True, check=True)
        assert ran.stdout.splitlines() == expected


def test_directory_and_monitoring_start_only_when_they_are_asked_for():
    profiles = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    assert profiles == {"prometheus": ["monitoring"], "grafana": ["monitoring"], "openldap": ["ldap"]}
    assert not [name for name, service in SERVICES.items() if "openldap" in service.get("depends_on", ())]


def test_script_of_the_directory_is_one():
    script = SERVICES["openldap"]["command"][-1]
    assert not re.search(r"(?<!\$)\$(?!\$)", script.replace("$$", ""))  # compose would fill it in
    done = subprocess.run(
        ["bash", "-n"], input=script.replace("$$", "$"), text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
