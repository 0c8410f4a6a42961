"""The life of an API job: accepted, claimed, run, finished, read.

PostgreSQL is the ledger, Redis is the doorbell.
"""
