"""Tokens: sessions as the Keystone door opens, reads and ends them."""
