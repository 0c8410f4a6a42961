"""Accounts, users, groups, policies, quotas, sharing, sessions and the audit trail."""
