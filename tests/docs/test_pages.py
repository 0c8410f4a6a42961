"""The generated documentation is what the declarations say now, and the service serves the same."""

import inspect
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated, get_type_hints

import pytest

from app import Service
from zstack_mgmt.compute.vms.devices import MAX_NICS
from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import ApiError
from zstack_mgmt.core.inventory import Inventory
from zstack_mgmt.core.registry import APIS, UNROUTED
from zstack_mgmt.core.vocabulary import COMMON
from zstack_mgmt.doc import Doc, doc_of
from zstack_mgmt.features import load
from zstack_mgmt.query.declare import plural_of
from zstack_mgmt.reference.chinese import DESCRIPTIONS, ERRORS, SETTINGS
from zstack_mgmt.reference.errors import errors
from zstack_mgmt.reference.openapi import render
from zstack_mgmt.reference.pages import pages, with_settings, write_pages

ROOT = Path(__file__).parents[2]
PAGES = cache(pages)
REGENERATE = "run `make docs` and commit what it writes"
LINK = re.compile(r"\]\((?!https?://)([^)#\s]+)?(?:#([^)\s]+))?\)")


def test_generated_pages_are_up_to_date() -> None:
    wanted = pages()
    found = {f"api/{path.name}" for path in (ROOT / "docs/api").iterdir()} | {
        "errors.md",
        "errors.zh-CN.md",
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
        assert with_settings(text, name) == text, f"the settings in {name} are out of date: {REGENERATE}"


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
    for path, anchor in (("/docs", "CreateZone"), ("/docs/", "CreateZone"), ("/docs/errors", "ID.1001")):
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


@pytest.mark.parametrize("path", ["/zstack/v1", "/zstack/v1/", "/v1"])
async def test_the_root_of_the_api_lists_what_is_there(service: Service, path: str) -> None:
    async with service.http.get(f"{service.origin}{path}") as reply:
        assert reply.status == 200
        body = await reply.json()
    for link in ("reference", "errors", "openapi", "page", "keystone"):
        async with service.http.get(f"{service.origin}{body[link]}") as reply:
            assert reply.status < 400, link
    listed = {call for calls in body["apis"].values() for call in calls}
    assert body["login"] in listed
    assert len(listed) > 200
    async with service.http.post(f"{service.origin}{path}") as reply:
        assert reply.status in (404, 405)


def fields() -> list[tuple[str, str]]:
    """Name and sentence of each field of each inventory that the documents show."""
    schemas = json.loads(PAGES()["openapi.json"])["components"]["schemas"]
    shown = [(name, schema) for name, schema in schemas.items() if "x-java-class" in schema]
    return [
        (f"{name}.{field}", part.get("description", ""))
        for name, schema in shown
        for field, part in schema["properties"].items()
    ]


def test_every_field_of_every_inventory_has_a_sentence() -> None:
    listed = fields()
    assert len(listed) > 400
    silent = [name for name, sentence in listed if len(sentence) < 4]
    assert not silent, f"{silent}: say what they mean, each with a Doc or, if it is common, in COMMON"


def test_a_common_sentence_is_of_a_field_that_is_common() -> None:
    load()
    used = Counter(
        f.attribute
        for kind in declared_inventories()
        for f in kind.meta.fields
        if f.doc == COMMON.get(f.attribute)
    )
    rare = [name for name in COMMON if used[name] < 2]
    assert not rare, f"{rare}: a sentence of one inventory belongs to its field"


def declared_inventories(kind: type[Inventory] = Inventory) -> Iterator[type[Inventory]]:
    for child in kind.__subclasses__():
        if child.__module__.startswith("zstack_mgmt.") and "meta" in vars(child):
            yield child
        yield from declared_inventories(child)


@pytest.mark.parametrize("error", errors(), ids=lambda error: error.__name__)
def test_every_error_has_its_cause_and_its_remedy_in_both_languages(error: type[ApiError]) -> None:
    for words in (vars(error).get("reason", ""), vars(error).get("remedy", "")):
        assert re.fullmatch(r"[A-Z].+\.", words), f"{error.__name__}: say its reason and its remedy"
    for name in ("errors.md", "errors.zh-CN.md"):
        assert f"\n| {error.__name__} | {error.status} | " in PAGES()[name]
    assert f"| {error.reason} | {error.remedy} |" in PAGES()["errors.md"]
    reason, remedy = ERRORS[error.__name__]
    assert f"| {reason} | {remedy} |" in PAGES()["errors.zh-CN.md"]
    assert DESCRIPTIONS[error.code] in PAGES()["errors.zh-CN.md"]


def test_the_chinese_tells_of_what_there_is_and_of_nothing_else() -> None:
    hints = get_type_hints(Settings, include_extras=True)
    assert set(ERRORS) == {error.__name__ for error in errors()}
    assert set(DESCRIPTIONS) == {error.code for error in errors()}
    assert set(SETTINGS) == {name for name, hint in hints.items() if doc_of(hint)} == hints.keys() - {"given"}


@pytest.mark.parametrize("text", [*SETTINGS.values(), *DESCRIPTIONS.values(), *sum(ERRORS.values(), ())])
def test_chinese_sentences_have_full_width_punctuation(text: str) -> None:
    said = re.sub(r"`[^`]*`|\w+://\S+|[A-Za-z0-9_./*-]+", "x", text)
    assert re.search("[\u4e00-\u9fff]", text)
    assert not re.search(r"[,;!?()]|:(?!:|port)|[\u4e00-\u9fff]\.", said), said


PLURAL = re.compile(r"\b\w+[b-df-hj-np-tv-xz]ys\b|\b\w*sss\b|\b\w+(?:ss|x|ch|sh)s\b")


def test_plurals_are_english() -> None:
    load()
    for declared in [*APIS.values(), *UNROUTED.values()]:
        if declared.query is not None:
            assert declared.summary.startswith(f"Find {plural_of(declared.query.meta.name)} by "), (
                declared.name
            )
        assert not PLURAL.findall(inspect.getdoc(declared.request) or ""), declared.name
    for name, text in PAGES().items():
        prose = re.sub(r"```.*?```|`[^`]*`|\"[^\"]*\":", "", text, flags=re.DOTALL)
        assert not PLURAL.findall(prose), (name, PLURAL.findall(prose))
    assert PLURAL.findall("Policys SchedulerJobHistorys IpAddresss Boxs") == [
        "Policys",
        "SchedulerJobHistorys",
        "IpAddresss",
        "Boxs",
    ]
