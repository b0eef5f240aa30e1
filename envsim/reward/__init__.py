"""Judging episodes: typed values and declarative checks."""
