"""Accounts as the domains of the Keystone door."""
