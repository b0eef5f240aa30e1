"""How often a session may search."""

from __future__ import annotations

from envsim.guest.service import Refusal

from .actor import Actor

SEARCHES = 3
WINDOW = 5


def check_search_rate(actor: Actor) -> None:
    """Count a search.

    Raises:
        Refusal: With the bug `search-limit`: the fourth search within five requests is refused.
    """
    kit = actor.kit
    if "search-limit" not in kit.bugs:
        return
    key = f"searches:{actor.sid}"
    recent = [tick for tick in kit.cache.get(key, []) if kit.ticks - tick < WINDOW]
    if len(recent) >= SEARCHES and kit.bug("search-limit"):
        wait = int((recent[0] + WINDOW - kit.ticks) * kit.tick.total_seconds()) or 1
        kit.cache[key] = recent
        raise Refusal("rate_limited", f"Too many searches. Please try again in {wait} seconds.", 429, retry_after=wait)
    kit.cache[key] = [*recent, kit.ticks]
