"""Measured agreement of one world with another, or with held-out traces."""
