"""Logins and what they yield."""
