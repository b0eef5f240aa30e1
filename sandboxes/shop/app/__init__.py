"""The shop: one service layer, two thin interfaces (pages for browsers, JSON tools for agents)."""
