"""One class per API, in a module per feature."""
