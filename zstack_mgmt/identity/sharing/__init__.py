"""Who owns a resource, with whom it is shared, and what it is called."""
