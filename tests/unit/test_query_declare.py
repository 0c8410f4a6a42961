"""Query APIs as declared: paths, request parsing, and the generic handler's place in the registry."""

from typing import Any

import pytest

from query_world import WORLD
from zstack_mgmt.core.errors import BadRequest, InternalError
from zstack_mgmt.core.inventory import INVENTORIES
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.query.declare import query_api
from zstack_mgmt.query.parser import Sort

QtVm = WORLD["QtVm"]


@pytest.fixture
def declared(monkeypatch):
    monkeypatch.setitem(INVENTORIES, "QtVm", QtVm)
    query_api(QtVm, http="GET /v1/qt/vms", access="user", java="org.example", category="instance")
    yield APIS["QueryQtVm"]
    del APIS["QueryQtVm"]


def test_the_declaration(declared):
    assert declared.paths == ("/v1/qt/vms", "/v1/qt/vms/{uuid}")
    assert (declared.method, declared.mode, declared.response_key, declared.is_read) == (
        "GET",
        "sync",
        "",
        True,
    )
    assert declared.query is QtVm
    assert declared.java_class == "org.example.APIQueryQtVmMsg"
    assert declared.permissions[0] == "instance:read"
    assert declared.summary.startswith("Find QtVms")
    assert declared.source


def test_further_paths_and_another_name(monkeypatch):
    query_api(
        QtVm,
        http="GET /v1/qt",
        access="user",
        java="x",
        name="QueryOther",
        by_uuid=False,
        also=("/v1/other",),
    )
    assert APIS.pop("QueryOther").paths == ("/v1/qt", "/v1/other")


def test_parsing_needs_neither_catalog_nor_connection(declared):
    request = declared.parse({"parameters": [("q", "name=x "), ("sort", " name")], "uuid": None})
    assert request.query.inventory == "QtVm"
    assert request.query.where.conditions[0].value == "x "
    assert request.query.sort == Sort("name")
    assert declared.parse({"parameters": [], "uuid": "u"}).query.uuid == "u"
    assert declared.parse({}).query.limit == 1000


def test_malformed_text_is_refused_while_parsing(declared):
    for parameters in ([("q", "name")], [("limit", "x")], [("start", "1.5")]):
        with pytest.raises(BadRequest):
            declared.parse({"parameters": parameters, "uuid": None})
    with pytest.raises(InternalError):
        declared.parse({"parameters": [("limit", "-1")], "uuid": None})


def test_requests_of_two_apis_do_not_mix(declared):
    query_api(WORLD["QtNic"], http="GET /v1/qt/nics", access="user", java="x")
    other: Any = APIS.pop("QueryQtNic")
    assert other.parse({"parameters": []}).query.inventory == "QtNic"
    assert declared.parse({"parameters": []}).query.inventory == "QtVm"
