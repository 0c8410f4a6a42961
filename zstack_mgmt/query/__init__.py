"""The query language: text -> tree -> plan against the catalog -> SQL with bound values -> answer.

`declare.query_api` makes an API of it, `run` runs a parsed query for a caller.
"""
