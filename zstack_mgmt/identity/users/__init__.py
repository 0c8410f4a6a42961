"""Users of an account, who act for it as far as policies allow."""
