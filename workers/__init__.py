"""The arq workers: one kind runs API jobs and periodic work, the other sends webhooks.

Imports of its own modules are relative: a wheel has this folder as `zstack_mgmt.workers`.
"""
