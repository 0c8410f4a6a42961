"""Accounts and users as logins of the Keystone door, and groups of them."""
