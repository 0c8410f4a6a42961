"""Passwords, sessions, secrets and permissions: the only security code."""
