"""The doors: each translates between its wire form and the core."""
