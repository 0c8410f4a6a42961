"""Billing: prices over time, and what an account pays for what it used."""
