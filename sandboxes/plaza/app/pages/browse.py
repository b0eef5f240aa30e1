"""Lists of posts: the front page, all, a forum, search, a member; and the directory of forums, and help."""

from __future__ import annotations

from urllib.parse import urlencode

from envsim.guest.service import Refusal, missing
from envsim.guest.web import Response

from ..service import comments, feeds, forums, people
from ..web import Page, Visit
from .faq import TOPICS

MOST_COMMENTS = 15
KEPT = ("sort", "t", "flair", "q", "forum", "author", "inside")


def _query(v: Visit, **fixed: object) -> feeds.Query:
    sent = v.query
    asked = {
        "sort": sent.get("sort", "hot"),
        "period": sent.get("t", "all"),
        "flair": sent.get("flair", ""),
        "page": max(1, v.whole("page", 1)),
        "until": sent.get("until", "")[:20],
    }
    return feeds.Query(**{**asked, **fixed})  # type: ignore[arg-type]


def _feed(v: Visit, template: str, query: feeds.Query, **values: object) -> Response:
    found = feeds.find_posts(v.actor, query)
    kept = [(name, text) for name, text in v.request.query_pairs if name in KEPT]

    def link(page: int) -> str:
        return f"{v.path}?{urlencode([*kept, ('page', page), ('until', found.until)])}"

    return v.render(template, found=found, query=query, link=link, consent=v.wants_consent("join-overlay"), **values)


def front(v: Visit) -> Response:
    """The forums one has joined; for everybody else, all of them."""
    mine = feeds.has_front(v.actor)
    return _feed(v, "front.html", _query(v, mine=mine), mine=mine, tree=forums.tree(v.kit))


def everything(v: Visit) -> Response:
    """All forums."""
    return _feed(v, "front.html", _query(v), mine=False, tree=forums.tree(v.kit))


def directory(v: Visit) -> Response:
    """All forums by name, and which lie in which."""
    return v.render("forums.html", tree=forums.tree(v.kit), joined=forums.joined(v.actor))


def forum(v: Visit) -> Response:
    """A forum's posts."""
    found = forums.get_forum(v.actor, v.part("forum"))
    inside = bool(v.query.get("inside"))
    return _feed(v, "forum.html", _query(v, forum=found["slug"], with_inside=inside), forum=found, inside=inside)


def membership(v: Visit) -> Response:
    """Join or leave a forum."""
    slug = v.part("forum")
    if v.form.get("action") == "leave":
        forums.leave(v.actor, slug)
        return v.redirect(f"/f/{slug}", "left")
    forums.join(v.actor, slug)
    return v.redirect(f"/f/{slug}", "joined")


def search(v: Visit) -> Response:
    """Posts with all of the words."""
    text, slug = v.query.get("q", "").strip()[:100], v.query.get("forum", "")
    every = forums.list_forums(v.kit)
    if slug and slug not in [row["slug"] for row in every]:
        raise missing("this forum")
    query = _query(v, text=text, forum=slug, sort=v.query.get("sort", "top"), author=v.query.get("author", ""))
    return _feed(v, "search.html", query, forums=every)


def member(v: Visit) -> Response:
    """What a member has posted."""
    found = people.get_member(v.kit, v.part("name"))
    return _feed(v, "member.html", _query(v, author=found["name"], sort=v.query.get("sort", "new")), member=found)


def member_comments(v: Visit) -> Response:
    """What a member has commented."""
    found, page = people.get_member(v.kit, v.part("name")), max(1, v.whole("page", 1))
    rows, total = comments.comments_by(v.actor, found["id"], page)
    return v.render(
        "member_comments.html",
        member=found,
        comments=rows,
        page=page,
        pages=max(1, -(-total // MOST_COMMENTS)),
        link=lambda number: f"{v.path}?page={number}",
    )


def help_index(v: Visit) -> Response:
    """All help topics."""
    return v.render("help.html", topics=TOPICS, topic=None)


def help_topic(v: Visit) -> Response:
    """One help topic."""
    if v.part("topic") not in TOPICS:
        raise Refusal("not_found", "We could not find this help page.", 404)
    return v.render("help.html", topics=TOPICS, topic=TOPICS[v.part("topic")])


PAGES = [
    Page("/", get=front),
    Page("/all", get=everything),
    Page("/forums", get=directory),
    Page("/f/{forum}", get=forum),
    Page("/f/{forum}/membership", post=membership, again=forum, role="member"),
    Page("/search", get=search),
    Page("/u/{name}", get=member),
    Page("/u/{name}/comments", get=member_comments),
    Page("/help", get=help_index),
    Page("/help/{topic}", get=help_topic),
]
