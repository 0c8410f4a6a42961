"""What the directory has, as clients see it."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from app import running_service
from directory_app import Ldap
from directory_data import AD_BASE, BASE, BULK, CUT, SERVICE_PASSWORD, SMALL_PAGES

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def entries(ldap, condition: str, path: str = "entry", **more: Any) -> Any:
    query = "".join(f"&{key}={value}" for key, value in more.items())
    return await ldap.admin.get(f"/ldap/{path}?ldapFilter={quote(condition)}{query}")


async def candidates(ldap, condition: str, **more: Any) -> list[str]:
    answer = await entries(ldap, condition, "entries/candidates", **more)
    return sorted(entry["dn"] for entry in answer.body["inventories"])


def attributes(entry: Any) -> dict[str, list[str]]:
    """The values of each; a directory gives them in any order."""
    return {attribute["id"]: sorted(attribute["values"]) for attribute in entry["attributes"]}


async def test_entry_has_the_form_of_the_manual(ldap):
    await ldap.add("ldapUseAsLoginName::mail")
    answer = await entries(ldap, "(cn=Micha Kops)")
    assert (answer.status, answer.body["success"]) == (200, True)
    (entry,) = answer.body["inventories"]
    assert entry["dn"] == f"cn=Micha Kops,ou=people,{BASE}"
    for attribute in entry["attributes"]:
        assert set(attribute) == {"id", "orderMatters", "values", "valuesAsNames"}
        assert (attribute["orderMatters"], attribute["valuesAsNames"]) == (False, {})
    shown = attributes(entry)
    assert shown["mail"] == ["micha@example.com"]
    assert shown["objectClass"] == ["inetOrgPerson"]
    assert shown["entryDN"] == [entry["dn"]]
    assert not {"userPassword", "jpegPhoto", "uid"} & set(shown)


async def test_active_directory_s_attributes(ldap):
    await ldap.add("ldapServerType::WindowsAD", **ldap.ad())
    (entry,) = (await entries(ldap, "(sAMAccountName=weiqi)")).body["inventories"]
    shown = attributes(entry)
    assert shown["userPrincipalName"] == ["weiqi@adtest.zs"]
    assert shown["displayName"] == ["weiqi of the tests"]
    assert shown["distinguishedName"] == [f"CN=weiqi,OU=ui,OU=zstest,{AD_BASE}"]
    assert shown["memberOf"] == [f"CN=Cloud Users,CN=Users,{AD_BASE}"]
    assert shown["objectClass"] == ["organizationalPerson", "person", "top", "user"]


async def test_members_of_a_group_are_shown(ldap):
    await ldap.add()
    (entry,) = (await entries(ldap, "(cn=staff)")).body["inventories"]
    assert attributes(entry)["member"] == [f"cn=Carol,ou=people,{BASE}", f"cn=company,ou=groups,{BASE}"]


async def test_nothing_found_is_an_empty_list(ldap):
    await ldap.add()
    assert (await entries(ldap, "(cn=Zoe)")).body == {"inventories": [], "success": True}


# The directory ends an unpaged search after 1,000 entries.
@pytest.mark.parametrize(
    ("limit", "count"), [(None, 2500), (1, 1), ("2500.0", 2500), (1000, 1000), (100000, BULK)]
)
async def test_entries_come_by_the_page_up_to_the_limit(ldap, limit: Any, count: int):
    await ldap.add()
    more = {} if limit is None else {"limit": limit}
    found = (await entries(ldap, "(cn=bulk-*)", **more)).body["inventories"]
    assert len({entry["dn"] for entry in found}) == len(found) == count


async def test_a_directory_with_smaller_pages_is_asked_again_and_one_that_cuts_is_told(ldap):
    """A part of the entries that passed for all of them would bind the wrong people."""
    server = await ldap.add(username=SMALL_PAGES)
    found = (await entries(ldap, "(cn=bulk-*)", limit=2500)).body["inventories"]
    assert len({entry["dn"] for entry in found}) == 2500
    assert (await ldap.update(server["uuid"], username=CUT, password=SERVICE_PASSWORD)).status == 200
    refused = await entries(ldap, "(cn=bulk-*)", limit=2500)
    assert refused.status == 503
    assert "only a part" in refused.body["error"]["details"]


async def test_candidates_are_not_bound_yet(ldap):
    await ldap.add()
    people = "(&(objectClass=inetOrgPerson)(|(cn=Alice)(cn=Bob)(cn=Carol)))"
    alice, bob, carol = (f"cn={name},ou=people,{BASE}" for name in ("Alice", "Bob", "Carol"))
    assert await candidates(ldap, people) == [alice, bob, carol]
    await ldap.bound("CN=ALICE,ou=people")
    assert await candidates(ldap, people) == [bob, carol]
    assert len(await candidates(ldap, people, limit=2)) == 2
    assert len((await entries(ldap, people)).body["inventories"]) == 3


@pytest.mark.provokes("GetLdapEntry", "OperationError")
@pytest.mark.provokes("GetCandidateLdapEntryForBinding", "OperationError")
@pytest.mark.parametrize(
    "condition",
    [
        "cn=x",
        "(cn=x",
        "(&)",
        "(cn=a)(cn=b)",
        "(=**)",
        "(" * 40 + "cn=a" + ")" * 40,
        "(!" * 40 + "(cn=a)" + ")" * 40,
    ],
)
async def test_text_that_is_no_filter(ldap, condition: str):
    await ldap.add()
    for path in ("entry", "entries/candidates"):
        answer = await entries(ldap, condition, path)
        assert (answer.status, answer.code) == (503, "SYS.1006")


@pytest.mark.parametrize(
    "query", ["", "ldapFilter=", f"ldapFilter={'x' * 4097}", "ldapFilter=(cn=a)&limit=0"]
)
@pytest.mark.parametrize("path", ["entry", "entries/candidates"])
async def test_parameters_beyond_their_limits(ldap, path: str, query: str):
    assert (await ldap.admin.get(f"/ldap/{path}?{query}")).status == 400


@pytest.mark.parametrize("limit", ["100001", "1.5", "many", "-1"])
async def test_limit_is_a_number_within_reason(ldap, limit: str):
    assert (await entries(ldap, "(cn=a)", limit=limit)).status == 400


@pytest.mark.provokes("GetLdapEntry", "InvalidArgument", "DirectoryUnreachable")
@pytest.mark.provokes("GetCandidateLdapEntryForBinding", "InvalidArgument", "DirectoryUnreachable")
async def test_search_without_a_server_or_with_one_that_is_away(ldap):
    for path in ("entry", "entries/candidates"):
        assert (await entries(ldap, "(cn=a)", path)).code == "SYS.1007"
    server = await ldap.add()
    await ldap.update(server["uuid"], url="ldap://localhost:1")
    for path in ("entry", "entries/candidates"):
        answer = await entries(ldap, "(cn=a)", path)
        assert (answer.status, answer.code) == (503, "LDAP.1000")


async def test_shown_attributes_are_a_setting(settings, directory):
    async with running_service(
        replace(settings, ldap_entry_attributes="jpegPhoto, uid"), senders=0
    ) as service:
        ldap = Ldap(service, directory)
        await ldap.add()
        (entry,) = (await entries(ldap, "(cn=Micha Kops)")).body["inventories"]
        assert attributes(entry)["uid"] == ["micha.kops"]
        assert attributes(entry)["jpegPhoto"] == ["/9g="]  # what is no text comes in base64
