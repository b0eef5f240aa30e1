"""Simulated users: who an agent talks to in a cooperative task."""
