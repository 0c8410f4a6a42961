"""The generated documentation is what the declarations say now, and the service serves the same."""

import inspect
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated, get_type_hints

from app import Service
from zstack_mgmt.compute.vms.devices import MAX_NICS
from zstack_mgmt.config import Settings
from zstack_mgmt.doc import Doc, doc_of
from zstack_mgmt.reference.openapi import render
from zstack_mgmt.reference.pages import errors, pages, with_settings, write_pages

ROOT = Path(__file__).parents[2]
REGENERATE = "run `make docs` and commit what it writes"
LINK = re.compile(r"\]\((?!https?://)([^)#\s]+)?(?:#([^)\s]+))?\)")


def test_generated_pages_are_up_to_date() -> None:
    wanted = pages()
    found = {f"api/{path.name}" for path in (ROOT / "docs/api").iterdir()} | {
        "errors.md",
        "limits.md",
        "openapi.json",
    }
    assert found == set(wanted), f"docs has other files than the declarations call for: {REGENERATE}"
    for name, text in wanted.items():
        assert (ROOT / "docs" / name).read_text("utf-8") == text, f"docs/{name} is out of date: {REGENERATE}"


def test_the_limits_are_those_that_hold() -> None:
    text = (ROOT / "docs/limits.md").read_text("utf-8")
    assert f"| NICs of a VM | {MAX_NICS} | [SYS.1006](errors.md#sys1006) OperationError, 503 |" in text
    assert f"| `MAX_BODY_BYTES` | {Settings().max_body_bytes} | bytes of a request's body |" in text
    assert "| `vlan` | integer, 1 or more, at most 4094 |" in text


Size = Annotated[int, Doc("bytes")]


class Disk:
    size: Size
    rest: Size | None
    root: Annotated[Size, Doc("of the root disk")]
    number: int


def test_a_field_says_what_it_means_or_its_type_does() -> None:
    said = {name: doc_of(hint) for name, hint in get_type_hints(Disk, include_extras=True).items()}
    assert said == {"size": "bytes", "rest": "bytes", "root": "of the root disk", "number": ""}


def test_tables_of_settings_are_up_to_date() -> None:
    for name in ("README.md", "README.zh-CN.md", "compose.yaml"):
        text = (ROOT / name).read_text("utf-8")
        assert re.search(r"(<!--|#) settings: written by `make docs`", text)
        assert with_settings(text) == text, f"the settings in {name} are out of date: {REGENERATE}"


def test_pages_of_features_that_are_gone_are_removed(tmp_path: Path) -> None:
    (tmp_path / "docs/api").mkdir(parents=True)
    stale = tmp_path / "docs/api/gone.md"
    stale.write_text("x")
    write_pages(tmp_path / "docs")
    assert not stale.exists()
    assert (tmp_path / "docs/openapi.json").read_text("utf-8") == render()


def test_generating_twice_gives_the_same() -> None:
    assert pages() == pages()


def test_every_link_in_the_documentation_leads_somewhere() -> None:
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target, anchor in LINK.findall(path.read_text("utf-8")):
            page = (path.parent / target).resolve() if target else path
            assert page.exists(), f"{path.relative_to(ROOT)} links to {target}, which does not exist"
            if anchor and page.suffix == ".md":
                assert anchor in anchors(page), f"{path.relative_to(ROOT)} links to {target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The anchors that the usual Markdown renderers give to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_every_error_can_be_rendered_and_is_in_the_catalogue() -> None:
    text = (ROOT / "docs/errors.md").read_text("utf-8")
    for error in errors():
        needed = [p for p in inspect.signature(error).parameters.values() if p.default is p.empty]
        made = error(*("what is wrong" for p in needed if p.kind is not p.VAR_KEYWORD))
        assert made.to_json() | {"code": error.code, "details": "what is wrong"} == made.to_json()
        assert all(isinstance(value, str) for value in made.headers.values())
        assert f"## {error.code}\n" in text
        assert f"| {error.__name__} | {error.status} |" in text


class Tags(HTMLParser):
    """What a page refers to, and its ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.ids: set[str] = set()
        self.local: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "src" or (name == "href" and not (value or "").startswith(("#", "/"))):
                self.outside.append(f"{tag} {name}={value}")
            if name == "id":
                self.ids.add(value or "")
            if name == "href" and (value or "").startswith("#"):
                self.local.add((value or "")[1:])


async def test_the_service_serves_its_documents_to_anybody(service: Service) -> None:
    for base in ("/zstack/v1", "/v1"):
        async with service.http.get(f"{service.origin}{base}/openapi.json") as reply:
            assert reply.status == 200
            assert reply.content_type == "application/json"
            assert json.loads(await reply.read()) == json.loads(render())
    for path, anchor in (("/docs", "CreateZone"), ("/docs/errors", "ID.1001")):
        async with service.http.get(f"{service.origin}{path}") as reply:
            assert reply.status == 200
            assert reply.content_type == "text/html"
            tags = Tags(await reply.text())
            assert anchor in tags.ids
            assert tags.local <= tags.ids
            assert not tags.outside, "the page must not load or link anything of others"
    async with service.http.post(f"{service.origin}/docs") as reply:
        assert (reply.status, reply.headers["Allow"]) == (405, "GET")


async def test_errors_of_rfc_9457_lead_to_the_catalogue(service: Service) -> None:
    headers = {"Accept": "application/problem+json"}
    answer = await service.anonymous.call("GET", "/zones", headers=headers)
    page, _, anchor = answer.body["type"].partition("#")
    async with service.http.get(f"{service.origin}{page}") as reply:
        assert anchor in Tags(await reply.text()).ids
