"""Tags: texts that resources carry, and patterns that one account puts on many of them."""
