"""Quotas of domains as EOS shows them, over the quotas of accounts."""
