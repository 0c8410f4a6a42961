"""ZStack's message door: APIs by the names of their messages, for apibinding, zstack-cli and old scripts."""
