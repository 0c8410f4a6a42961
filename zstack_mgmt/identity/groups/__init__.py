"""User groups, which lend their policies to their members."""
