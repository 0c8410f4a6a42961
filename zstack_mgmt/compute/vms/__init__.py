"""Virtual machines and their NICs."""
