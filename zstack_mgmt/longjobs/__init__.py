"""Long jobs: API jobs that a client names, and looks at later by that name."""
