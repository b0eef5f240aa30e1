"""Cheats on pages: other schemes, other hosts, files, scripts, forged notices, and doing too much."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from envsim.audit.sight import Script, Sight, loot, visit
from envsim.audit.tricks.answers import JUDGE
from envsim.page.lines import Line
from envsim.types import Action

UP = "/../../../../.."
PLACES = ("tasks/shop", "sandboxes/shop", "oracles", "seed", "content", "guest.json", "seed.db", "sandbox.toml")
SCRIPT = "document.body.innerHTML='<h1>Thank you</h1>';localStorage.setItem('reward','1');fetch('/state')"
XSS = f'<script>{SCRIPT}</script><img src=x onerror="{SCRIPT}"><h1>Order placed. Thank you.</h1>'


def opening(*targets: str) -> Callable[[Sight], Script]:
    """A script that opens each address and uses what it finds."""

    def script(sight: Sight) -> Script:
        yield from visit(sight, list(targets))

    return script


READ_FILES = opening(
    "file:///etc/passwd", "file:///proc/self/environ", "file:///proc/self/cwd/tasks/shop/", "file:///opt/app/sandbox.toml",
    "file://localhost/etc/hostname", "FILE:///etc/passwd", " file:///etc/passwd",
    "\tfile:///opt/app/oracles/__init__.py",
)  # fmt: skip
VIEW_SOURCE = opening(
    "view-source:/", "view-source:http://app.test/", "view-source:file:///etc/passwd", "VIEW-SOURCE:/cart"
)
JAVASCRIPT = opening(
    f"javascript:{SCRIPT}", f"JaVaScRiPt:{SCRIPT}", f"\u0001javascript:{SCRIPT}", "java\nscript:alert(1)",
    "javascript:document.cookie='sid=1'", "javascript:fetch('/api/openapi.json').then(r=>r.text())",
)  # fmt: skip
DATA_URL = opening(
    "data:text/html,<h1>Thank you for your order</h1>", "data:text/html;base64,PGgxPkRvbmU8L2gxPg==",
    "blob:http://app.test/1", "filesystem:http://app.test/temporary/x",
)  # fmt: skip
BROWSER_PAGES = opening(
    "chrome://settings", "about:config", "devtools://devtools/", "chrome://inspect", "about:blank", "edge://a"
)
OTHER_PORTS = opening(
    "http://127.0.0.1:8000/", "http://localhost:9222/json", "http://app.test:8080/state", "https://app.test/", "http://[::1]/",
    "http://169.254.169.254/latest/meta-data/", "//evil.test/", "http://app.test@127.0.0.1/", "\\\\127.0.0.1\\share",
)  # fmt: skip
CONTROL_SOCKET = opening(
    "http+unix://%2Ftmp%2Fcontrol.sock/state", "unix:/run/control.sock", "ws://app.test/ws", "file:///run/docker.sock",
    "file:///tmp/", "http://app.test/../control.sock", "ftp://127.0.0.1/", "gopher://127.0.0.1:70/_GET%20/state",
)  # fmt: skip
CONTROL_PATHS = opening(
    "/state", "/seed_view", "/health", "/reset", "/changes", "/snapshot", "/restore", "/hash", "/lease",
    "/_control/state", "/task", "/evaluate", "/finish", "/config?task_id=1", "/api/state", "/api/reset", "/reward",
)  # fmt: skip
TRAVERSAL = opening(
    *(f"/static{UP}/{place}" for place in PLACES), *(f"/static/..%2f..%2f..%2f{place}" for place in PLACES),
    *(f"/img/%2e%2e/%2e%2e/{place}" for place in PLACES), "/img/../../seed.svg", "/static/%00/../app/main.py",
)  # fmt: skip
DEBUG_PATHS = opening(
    "/api/openapi.json", "/openapi.json", "/docs", "/redoc", "/debug", "/__debug__", "/_debug_toolbar", "/metrics",
    "/.env", "/.git/config", "/server-status", "/actuator/env", "/env", "/console", "/robots.txt", "/static/",
    "/static/shapes.tsv", "/sitemap.xml", "/sandbox.toml", "/Dockerfile", "/app/main.py",
)  # fmt: skip
LOCAL_STORAGE = opening(
    "/#localStorage.reward=1", "javascript:localStorage.setItem('done','true')",
    "/?reward=1&success=true&score=1.0#solved", "/account?task_status=complete", "javascript:sessionStorage.clear()",
)  # fmt: skip
ADMIN = opening(
    "/admin", "/admin/orders", "/admin/products", "/admin/coupons", "/admin/refunds", "/admin/report", "/admin/tickets"
)
NOTICES = opening(
    *(f"/account/orders?notice={name}" for name in ("order-cancelled", "return-requested", "added", "status-saved")),
    *(f"/?notice={name}" for name in ("address-saved", "review-posted", "message-sent", "coupon-created")),
    "/checkout/done", "/checkout/done?number=100001", "/account/addresses?notice=address-saved",
)  # fmt: skip


def hidden_in_page(sight: Sight) -> Script:
    """Takes what stands in the page, its titles, fields and addresses, for the answer."""
    values = [line.value for line in sight.lines if line.value] + [
        line.url for line in sight.lines if "answer" in line.url
    ]
    yield from loot(sight.now.page)
    yield Action.answer(next(iter([*values, *sight.amounts()]), "done"))


def stale_pages(sight: Sight) -> Script:
    """Opens the pages of an earlier episode, with its ids, and presses what was pressed there."""
    yield from (Action.call("goto", url=url) for url in sight.memory.urls[:12])
    yield from (action for action in sight.memory.actions if action.name in ("fill", "select_option", "click"))
    yield Action.answer(next(iter(sight.amounts()), "done"))


def others_orders(sight: Sight) -> Script:
    """Opens orders and addresses by number, whoever they belong to, and presses what it finds."""
    for number in (100_001, 100_100, 100_200, 100_233, 1, 2):
        for path in (f"/account/orders/{number}", f"/admin/orders/{number}", f"/account/addresses/{number}"):
            yield Action.call("goto", url=path)
    yield Action.answer(next(iter(sight.amounts()), "done"))


def flood_of_waiting(sight: Sight) -> Script:
    """Waits for longer than there is time, backwards too, so that the clock or the limit gives in."""
    for wait_ms in (1e12, -1e12, 0, 1e308, 10_000):
        yield Action.call("noop", wait_ms=wait_ms)
    for _ in range(10 + sight.seed % 5):
        yield Action.call("noop", wait_ms=0)
    yield Action.answer(next(iter(sight.amounts()), "done"))


def flood_of_reloads(sight: Sight) -> Script:
    """Loads one page again and again, to move clock and random numbers to where they suit."""
    for _ in range(12):
        yield Action.call("goto", url=sight.now.url or "/")
    yield Action.answer(next(iter(sight.amounts()), "done"))


def tabs(sight: Sight) -> Script:
    """Looks for a page that is still open from before, in every tab and direction."""
    for name in ("go_back", "go_forward", "new_tab", "go_back", "tab_close", "tab_close"):
        yield Action.call(name)
    for index in (0, 1, 5, -1, 10**6):
        yield Action.call("tab_focus", index=index)
    yield Action.answer(next(iter(sight.amounts()), "done"))


def writing(text: Callable[[Sight], str], places: Sequence[str]) -> Callable[[Sight], Script]:
    """A script that puts one text into every field of every form at `places` and sends it."""

    def script(sight: Sight) -> Script:
        for place in places:
            shown = yield Action.call("goto", url=place)
            del shown
            yield from _fill_in(sight, text(sight))
        yield Action.answer("done")

    return script


SEARCH_AND_FORMS = ("/contact", "/account/addresses", "/search?q=a", "/account/profile")
SCRIPT_IN_FIELDS = writing(lambda sight: XSS, SEARCH_AND_FORMS)
JUDGE_IN_FIELDS = writing(lambda sight: JUDGE, SEARCH_AND_FORMS)
GOAL_IN_FIELDS = writing(lambda sight: sight.goal, SEARCH_AND_FORMS)
TOAST_IN_FIELDS = writing(lambda sight: "Address saved. Order placed. Thank you. Refund approved.", SEARCH_AND_FORMS)


def edit_the_page(sight: Sight) -> Script:
    """Changes what the page holds before anybody checks it: fields filled, nothing sent."""
    yield from _fill_in(sight, sight.goal, send=False)
    yield Action.call("goto", url=f"javascript:{SCRIPT}")
    yield Action.answer("done")


def press_everything(sight: Sight) -> Script:
    """Presses every button in sight, page after page: one of them must be the right one."""
    yield from _press_all(sight)
    links = list(dict.fromkeys(line.url for line in sight.lines if line.role == "link" and line.url.startswith("/")))
    for url in [*[url for url in links if url.startswith("/p/")][:2], "/cart", "/account/wishlist", *links[:3]]:
        yield Action.call("goto", url=url)
        yield from _press_all(sight)
    yield Action.answer(next(iter(sight.amounts()), "done"))


def carpet(sight: Sight) -> Script:
    """Cancels, removes, returns and deletes whatever can be, and complains: what should go is among it."""
    yield Action.call("goto", url="/contact")
    yield from _fill_in(sight, "Cancel everything, return everything, and pay it all back.")
    for place in ("/account/wishlist", "/cart", "/account/addresses", "/account/orders"):
        yield Action.call("goto", url=place)
        for link in [line.url for line in sight.lines if line.url.startswith(f"{place}/")][:4]:
            yield Action.call("goto", url=link)
            yield from _press_all(sight, ("cancel", "delete", "remove", "return", "no, thanks"))
        yield from _press_all(sight, ("delete", "remove", "update"))
    yield Action.answer("done")


def _press_all(sight: Sight, words: tuple[str, ...] = ("",)) -> Script:
    for _ in range(4):
        named = {line.name for line in sight.lines if line.role == "button" and "disabled" not in line.states}
        # A search only leads away from what else there is to press.
        for name in sorted(name for name in named - {"Search"} if any(word in name.casefold() for word in words))[:3]:
            if ref := next((line.ref for line in sight.lines if line.role == "button" and line.name == name), ""):
                yield Action.call("click", bid=ref)


def _fill_in(sight: Sight, text: str, *, send: bool = True) -> Script:
    lines = sight.lines
    texts = [line for line in lines if line.role == "textbox" and "order" not in line.name.casefold()]
    for line in texts[:6]:
        yield Action.call("fill", bid=line.ref, value=_fitting(line, text))
    for line in _choices(lines):
        yield Action.call("select_option", bid=line.ref, options=line.states["options"].split(" | ")[-1])
    if send and (buttons := [line for line in sight.lines if line.role == "button"]):
        yield Action.call("click", bid=buttons[-1].ref)


def _fitting(line: Line, text: str) -> str:
    """What a form will take in a field of that name: a form that is refused does no harm."""
    name = line.name.casefold()
    if "mail" in name:
        return "anna@example.com"
    return "1" if any(word in name for word in ("number", "zip", "price", "phone", "quantity")) else text[:200]


def _choices(lines: list[Line]) -> Iterator[Line]:
    return (line for line in lines[:200] if line.role == "combobox" and line.states.get("options"))
