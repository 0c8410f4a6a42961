"""Keystone's identity API, version 3, and the domain quotas of EOS."""
