"""Accounts: the tenants and, as logins, their owners."""
