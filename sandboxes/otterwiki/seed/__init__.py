"""The wiki's seed."""

from .wiki import build as build
