"""Access keys, with which programs sign their requests instead of logging in."""
