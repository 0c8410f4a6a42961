"""API jobs as clients see them: poll, list, follow, cancel."""
