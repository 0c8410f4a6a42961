"""Webhooks: the results of jobs, posted to the caller's address, signed, and repeated until they arrive.

`schedule` decides when, `egress` where to, `signing` with which proof; `dialler` makes sockets, `client`
speaks, `sender` makes one exchange; `store` is the SQL. `deliveries` puts them together.
"""
