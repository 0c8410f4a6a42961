"""The page's libraries as they are fetched, and what the page says, in both languages."""

import json
import re
from pathlib import Path

import pytest

from zstack_mgmt import assets
from zstack_mgmt.config import Settings
from zstack_mgmt.doors.page.site import own_files
from zstack_mgmt.local.page import fetch

UI = assets.shipped("ui")
KEY = re.compile(r'"([\w.]+)":|(?<=[ {])(\w+):')


def npm(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put an npm of ours on the path."""
    program = folder / "npm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_without_a_registry_the_reason_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm(tmp_path, monkeypatch, "echo 'npm error network: no route' >&2; exit 1")
    settings = Settings(assets_dir=tmp_path / "assets")
    assert not fetch(settings)
    assert assets.status(settings) == "failed: npm: npm error network: no route"
    assert not assets.libraries(settings).exists()
    assert [path.name for path in settings.assets_dir.iterdir()] == ["status"]


def test_the_libraries_appear_whole_and_are_fetched_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm(tmp_path, monkeypatch, f"echo x >> {tmp_path}/calls; mkdir node_modules; touch node_modules/one.js")
    settings = Settings(assets_dir=tmp_path / "assets")
    assert fetch(settings)
    assert fetch(settings)
    assert (assets.libraries(settings) / "one.js").exists()
    assert (tmp_path / "calls").read_text() == "x\n"
    assert assets.status(settings) == ""


def test_the_lock_names_no_registry() -> None:
    packages = json.loads((UI / "package-lock.json").read_text())["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert all("integrity" in package for name, package in packages.items() if name)


def keys(language: str) -> list[str]:
    text = re.sub(r'(?<=: )"(?:[^"\\]|\\.)*"', "''", (UI / "js" / f"{language}.js").read_text())
    return [quoted or bare for quoted, bare in KEY.findall(text)]


def test_both_languages_say_the_same() -> None:
    english, chinese = keys("en"), keys("zh")
    assert english == chinese
    assert len(set(english)) == len(english)
    scripts = [path.read_text() for path in own_files().values() if path.suffix == ".js"]
    used = {key for text in scripts for key in re.findall(r'\bt\("([\w.]+)"', text)}
    assert used <= set(english)


def test_chinese_uses_chinese_punctuation() -> None:
    texts = re.findall(r': "((?:[^"\\]|\\.)*)"', (UI / "js" / "zh.js").read_text())
    assert not [text for text in texts if re.search(r"[\u4e00-\u9fff][,:;!?(]", text)]
