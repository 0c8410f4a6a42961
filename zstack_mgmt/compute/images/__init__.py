"""Images: what a volume starts from."""
