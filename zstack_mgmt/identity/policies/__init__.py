"""Policies: lists of statements that allow or deny APIs."""
