"""Recorded sessions of other tools as traces: redacted before anything is written, losses counted."""
