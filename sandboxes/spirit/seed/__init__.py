"""The forum's seed."""

from .board import build as build
