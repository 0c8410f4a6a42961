"""A new type of resource takes an inventory, its APIs and a table; here a toy type is added from outside."""

import importlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app import BACKUP_STORAGE, Client, Service, running_service
from zstack_mgmt.config import Settings
from zstack_mgmt.core.inventory import INVENTORIES
from zstack_mgmt.core.registry import APIS

MODEL = '''
from datetime import datetime
from typing import Any, Literal

from zstack_mgmt.core.inventory import Inventory, Link, ListColumn, inventory


@inventory(
    "org.example.BookInventory",
    table="books",
    owned=True,
    links=(
        Link("zone", "Zone", "zone_uuid", "uuid"),
        Link("image", "Image", "image_uuid", "uuid"),
    ),
    lists=(ListColumn("words", "book_words", "book_uuid", "word"),),
    hidden=("shelf_mark",),
)
class Book(Inventory):
    """A book."""

    uuid: str
    name: str
    description: str | None
    zone_uuid: str
    image_uuid: str | None
    pages: int
    weight: float | None
    notes: dict[str, Any]
    state: Literal["Enabled", "Disabled"]
    create_date: datetime
    last_op_date: datetime
    words: list[str]
'''
API = '''
from typing import Annotated, Any

from pydantic import Field
from toy_library.model import Book

from zstack_mgmt.core.errors import InvalidArgument
from zstack_mgmt.core.requests import CreateRequest, UpdateRequest
from zstack_mgmt.core.values import ExistingUuid
from zstack_mgmt.resources.declare import Resource

Pages = Annotated[int, Field(ge=1)]


class CreateBook(CreateRequest):
    """Print a book."""

    zone_uuid: ExistingUuid
    image_uuid: ExistingUuid | None = None
    pages: Pages
    notes: dict[str, str] = {}


class UpdateBook(UpdateRequest):
    """Print it again."""

    pages: Pages | None = None


async def shelf_mark(call: Any, conn: Any, request: CreateBook) -> dict[str, Any]:
    if request.pages == 13:
        raise InvalidArgument("13 pages bring bad luck")
    return {"shelf_mark": f"{request.name[0]}-{request.pages}", "weight": request.pages / 8}


books = Resource(Book, "/v1/books", java="org.example", category="book", access="user", source="ours")
books.create(CreateBook, values=shelf_mark, raises=(InvalidArgument,))
books.update(UpdateBook)
books.change_state("Lend it or not.")
books.delete("Pulp it.")
books.query(access="user")
'''
TABLE = """
CREATE TABLE books (
    uuid text COLLATE "C" PRIMARY KEY, name text COLLATE "C" NOT NULL, description text,
    zone_uuid text COLLATE "C" NOT NULL REFERENCES zones (uuid),
    image_uuid text COLLATE "C" REFERENCES images (uuid),
    pages int NOT NULL, weight numeric, notes jsonb NOT NULL, shelf_mark text NOT NULL,
    state text NOT NULL DEFAULT 'Enabled',
    create_date timestamptz NOT NULL DEFAULT now(), last_op_date timestamptz NOT NULL DEFAULT now());
CREATE TABLE book_words (book_uuid text COLLATE "C" REFERENCES books (uuid) ON DELETE CASCADE, word text);
SELECT resources_of('books', 'BookVO');
"""
PLACES = {"toy_library/model.py": MODEL, "toy_library/api.py": API, "schema.sql": TABLE}
"""All that is written for the type; with this test and a line in the changelog that makes five places."""

UNKNOWN = "0" * 12 + "4" + "0" * 3 + "8" + "0" * 15
WRITES = ["CreateBook", "UpdateBook", "ChangeBookState", "DeleteBook"]


@pytest.fixture
async def library(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    """The running service with the toy type; afterwards it is unknown again."""
    for place, text in PLACES.items():
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("toy_library.api")
    try:
        async with running_service(settings) as service:
            await service.db.execute((tmp_path / "schema.sql").read_text())
            yield service
    finally:
        for name in (*WRITES, "QueryBook"):
            APIS.pop(name, None)
        INVENTORIES.pop("Book", None)
        for module in ("toy_library.api", "toy_library.model", "toy_library"):
            sys.modules.pop(module, None)


@pytest.fixture
async def zone(library: Service) -> str:
    return (await library.admin.create("/zones", name="z"))["uuid"]


async def act(client: Client, uuid: str, action: str, **params: Any) -> Any:
    return await client.job("PUT", f"/books/{uuid}/actions", {action: params})


def test_places() -> None:
    this_test, changelog = 1, 1
    assert len(PLACES) + this_test + changelog == 5


async def test_five_apis_of_a_toy_type(library: Service, zone: str) -> None:
    _, author = await library.account("author")
    book = await author.create("/books", name="b", zoneUuid=zone, pages=20, notes={"a": "b"})
    assert (book["state"], book["weight"], book["notes"], book["words"]) == ("Enabled", 2.5, {"a": "b"}, [])
    assert "shelfMark" not in book
    assert await library.db.fetchval("SELECT shelf_mark FROM books") == "b-20"

    uuid = book["uuid"]
    await library.db.execute("INSERT INTO book_words VALUES ($1, 'end'), ($1, 'begin')", uuid)
    changed = (await act(author, uuid, "updateBook", pages=30)).inventory
    assert (changed["name"], changed["pages"], changed["words"]) == ("b", 30, ["begin", "end"])
    assert (await act(author, uuid, "changeBookState", stateEvent="disable")).inventory["state"] == "Disabled"
    found = (await author.get("/books?q=zone.name=z&q=words=begin&q=pages=30")).body["inventories"]
    assert [(b["uuid"], b["state"], b["weight"]) for b in found] == [(uuid, "Disabled", 2.5)]

    for _ in range(2):  # the second time it is gone already
        assert (await author.job("DELETE", f"/books/{uuid}")).body == {}
    assert (await author.get("/books")).body["inventories"] == []
    assert (await act(author, uuid, "updateBook", pages=30)).code == "SYS.1003"


async def test_the_declaration_says_who_may_and_which_uuids_are_in_order(library: Service) -> None:
    create, *changes = (APIS[name] for name in WRITES)
    assert (create.exclusive, create.shared) == (("resource_uuid",), ("zone_uuid", "image_uuid"))
    assert [api.exclusive for api in changes] == [("uuid",)] * 3
    assert {api.access for api in (create, *changes)} == {"user"}
    assert changes[0].permissions == ("book:org.example.APIUpdateBookMsg", "book:APIUpdateBookMsg")
    assert {api.feature for api in changes} == {"toy_library"}


async def test_another_accounts_resource_behaves_as_absent(library: Service, zone: str) -> None:
    _, author = await library.account("author")
    reader_account, reader = await library.account("reader")
    uuid = (await author.create("/books", name="b", zoneUuid=zone, pages=20))["uuid"]
    share = {"resourceUuids": [uuid], "accountUuids": [reader_account["uuid"]]}
    for seen in (False, True):  # a share lets it be seen, and no more
        assert len((await reader.get(f"/books/{uuid}")).body["inventories"]) == seen
        refused = "ID.1002" if seen else "SYS.1003"
        assert (await act(reader, uuid, "updateBook", name="mine")).code == refused
        assert (await act(reader, uuid, "changeBookState", stateEvent="disable")).code == refused
        assert (await reader.job("DELETE", f"/books/{uuid}")).status == (503 if seen else 200)
        assert (
            await author.job("PUT", "/accounts/resources/actions", {"shareResource": share})
        ).status == 200
    kept = (await author.get(f"/books/{uuid}")).body["inventories"][0]
    assert (kept["name"], kept["state"]) == ("b", "Enabled")
    assert (await act(library.admin, uuid, "updateBook", name="ours")).inventory["name"] == "ours"


@pytest.mark.parametrize("bad", ["zone", "malformed", "foreign"])
async def test_what_it_refers_to_must_exist_and_be_visible(library: Service, zone: str, bad: str) -> None:
    image = await library.admin.create(
        "/images", name="i", url="u", format="raw", backupStorageUuids=[BACKUP_STORAGE]
    )
    _, author = await library.account("author")
    refers = {
        "zone": {"zoneUuid": UNKNOWN},
        "malformed": {"zoneUuid": "nonsense"},
        "foreign": {"zoneUuid": zone, "imageUuid": image["uuid"]},
    }
    body = {"params": {"name": "b", "pages": 20} | refers[bad]}
    answer = await author.job("POST", "/books", body)
    assert (answer.status, answer.code) == (503, "SYS.1003")
    assert await library.db.fetchval("SELECT count(*) FROM books") == 0
    if bad == "foreign":
        assert (await library.admin.job("POST", "/books", body)).status == 200


async def test_bad_input_changes_nothing(library: Service, zone: str) -> None:
    admin, book = library.admin, {"name": "b", "zoneUuid": zone, "pages": 20}
    for bad, status, code in (
        ({"name": "x" * 256}, 400, "SYS.1007"),
        ({"pages": 0}, 400, "SYS.1007"),
        ({"resourceUuid": "mine"}, 400, "SYS.1007"),
        ({"resourceUuid": zone}, 503, "SYS.1000"),  # a uuid is used once over all types
        ({"pages": 13}, 503, "SYS.1007"),
    ):
        answer = await admin.job("POST", "/books", {"params": book | bad})
        assert (answer.status, answer.code) == (status, code), bad
    assert await library.db.fetchval("SELECT count(*) FROM books") == 0
    assert (await admin.job("DELETE", "/books/nonsense")).code == "SYS.1003"
    assert (await act(admin, "nonsense", "updateBook")).code == "SYS.1003"


async def test_an_update_without_values_leaves_the_row_as_it_is(library: Service, zone: str) -> None:
    made = await library.admin.create("/books", name="b", zoneUuid=zone, pages=20)
    before = await library.db.fetchrow("SELECT * FROM books")
    assert (await act(library.admin, made["uuid"], "updateBook")).inventory == made
    assert await library.db.fetchrow("SELECT * FROM books") == before


async def test_tags_of_the_request_are_stored_and_options_are_not(library: Service, zone: str) -> None:
    body = {
        "params": {"name": "b", "zoneUuid": zone, "pages": 20},
        "userTags": ["u"],
        "systemTags": ["s", "ephemeral::x"],
    }
    assert (await library.admin.job("POST", "/books", body)).status == 200
    assert len((await library.admin.get("/books?q=__userTag__=u")).body["inventories"]) == 1
    rows = await library.db.fetch("SELECT type, tag, resource_type FROM tags ORDER BY tag")
    assert [tuple(row) for row in rows] == [("System", "s", "BookVO"), ("User", "u", "BookVO")]
