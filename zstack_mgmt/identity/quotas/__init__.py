"""Quotas: how much of each kind of resource an account may have."""
