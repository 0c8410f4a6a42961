"""What all resource types have in common: rows, APIs, owners and tags, derived from their inventories."""
