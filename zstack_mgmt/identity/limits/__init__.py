"""Keystone's unified limits: how much of a resource projects and domains may have."""
