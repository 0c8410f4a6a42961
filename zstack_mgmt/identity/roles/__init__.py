"""Roles, and what they let their holder do in a scope: the rules of the Keystone door."""
