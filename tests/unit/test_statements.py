"""The SQL of rows: from declarations only, and a declaration that does not fit fails when it is made."""

import pytest

from zstack_mgmt.compute.images.model import Image
from zstack_mgmt.core.inventory import INVENTORIES
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.core.requests import CreateRequest
from zstack_mgmt.features import load
from zstack_mgmt.identity.groups.model import UserGroup
from zstack_mgmt.identity.users.model import User
from zstack_mgmt.resources import statements
from zstack_mgmt.resources.declare import Resource

load()


@pytest.mark.parametrize(
    "name", ["nonsense", "uuid = ''; DROP TABLE users; --", "backup_storage_refs", "passwordHash"]
)
def test_only_declared_columns_are_written(name):
    for kind in (User, Image):
        with pytest.raises(TypeError, match="has no columns"):
            statements.insertion(kind.meta, ("uuid", name))
        with pytest.raises(TypeError, match="has no columns"):
            statements.change(kind.meta, (name,), scoped=False)
        with pytest.raises(TypeError, match="has no columns"):
            statements.selection(kind.meta, None, name, scoped=False)


def test_hidden_columns_are_written_and_not_read():
    text = statements.insertion(User.meta, ("uuid", "password_hash"))
    written, _, read = text.partition(" RETURNING ")
    assert "(uuid, password_hash)" in written
    assert "password_hash" not in read


def test_an_owner_limits_every_statement():
    texts = [
        statements.selection(User.meta, "KEY SHARE", "uuid", scoped=True),
        statements.change(User.meta, ("name",), scoped=True),
        statements.deletion(User.meta, scoped=True),
    ]
    assert all("o.account_uuid = $2" in text for text in texts)
    assert "name = $3" in texts[1]


def test_links_need_a_table_of_their_own():
    assert "group_members" in statements.linking(UserGroup.meta, "user")
    with pytest.raises(TypeError, match="no table of its own"):
        statements.linking(UserGroup.meta, "account")


def test_apis_of_a_type_without_the_columns_are_refused():
    class CreateStateless(CreateRequest):
        """Nothing."""

    policies = Resource(INVENTORIES["Audit"], "/v1/x", java="x", category="x", access="admin")
    with pytest.raises(TypeError, match="Audit has no columns"):
        policies.create(CreateStateless)
    with pytest.raises(TypeError, match="Audit has no columns"):
        policies.change_state("No.")
    assert not {"CreateStateless", "ChangeAuditState"} & APIS.keys()
