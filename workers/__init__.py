"""The arq workers: one kind runs API jobs and periodic work, the other sends webhooks."""
