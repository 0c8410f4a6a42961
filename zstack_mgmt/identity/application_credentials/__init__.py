"""Application credentials: how programs open tokens of a user without its password."""
