"""The deletion of an account, of which others are told in the transaction that deletes it."""

from __future__ import annotations

from zstack_mgmt.resources.changes import Topic

account_deletions: Topic[str] = Topic()
"""Told the account's uuid before anything of it is gone."""
