"""Webhooks: the results of jobs, posted to the address that the caller named, signed and repeated until
they arrive.

`schedule` decides when, `egress` where to, `signing` with which proof, `sender` makes one exchange; `store`
is the SQL. `workers/deliver.py` puts them together.
"""
