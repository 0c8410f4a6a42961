"""The query language: its names, and ZQL, which asks more than one type at once.

Text -> tree -> plan against the catalog -> SQL with bound values -> answer. `declare.query_api` makes an API
of it, `run` runs a parsed query for a caller.
"""
