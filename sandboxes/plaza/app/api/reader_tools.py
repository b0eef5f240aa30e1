"""Tools that read: forums, posts, comments, members."""

from __future__ import annotations

from envsim.guest.operations import TEXT, WHOLE, Argument, Tool, component, listing_of, shape
from envsim.guest.service import Row

from ..service import comments, feeds, forums, moderation, people, posts, votes
from ..service.people import Actor
from .schemas import COMMENT_ORDER, FORUM, NAME, ORDER, PAGE, PERIOD, POST, Args, fit, query


def drift(actor: Actor, row: Row) -> Row:
    """`row` as documented, or with its score in another form when `api-drift` fires."""
    if "score" in row and actor.kit.bug("api-drift"):
        score = row.pop("score")
        row["counts"] = {"score": score}
    return row


def post_row(actor: Actor, post: Row) -> Row:
    """A post as lists of tools have it."""
    return drift(actor, fit({**post, "created_at": post["when"]}, "Post"))


def comment_row(row: Row) -> Row:
    """A comment as tools have it."""
    return fit({**row, "created_at": row["when"]}, "Comment")


def _page(actor: Actor, asked: feeds.Query) -> Row:
    found = feeds.find_posts(actor, asked)
    return {"posts": [post_row(actor, post) for post in found.posts], "total": found.total, "page": found.page,
            "pages": found.pages, "until": found.until}  # fmt: skip


def list_forums(actor: Actor, args: Args) -> Row:
    """All forums."""
    return {"forums": [fit(forum, "Forum") for forum in forums.list_forums(actor.kit)]}


def get_forum(actor: Actor, args: Args) -> Row:
    """One forum."""
    found = forums.get_forum(actor, args["forum"])
    rules = [{"id": rule["id"], "text": rule["text"]} for rule in found["rules"]]
    inside = [forum["slug"] for forum in found["inside"]]
    return fit({**found, "rules": rules, "inside": inside, "joined": found["mine"]}, "ForumDetail")


def list_posts(actor: Actor, args: Args) -> Row:
    """One page of posts."""
    if args["forum"]:
        forums.get_forum(actor, args["forum"])
    return _page(actor, feeds.Query(
        forum=args["forum"] or "", flair=args["flair"] or "", sort=args["sort"] or "hot",
        period=args["period"] or "all", page=args["page"] or 1, until=args["until"] or "",
    ))  # fmt: skip


def search_posts(actor: Actor, args: Args) -> Row:
    """Posts with all of the words."""
    return _page(actor, feeds.Query(
        text=args["text"], forum=args["forum"] or "", author=args["author"] or "", sort=args["sort"] or "top",
        page=args["page"] or 1, until=args["until"] or "",
    ))  # fmt: skip


def get_post(actor: Actor, args: Args) -> Row:
    """One post with a page of its comments."""
    post = posts.get_post(actor, args["post_id"])
    thread = comments.read_thread(actor, post, args["sort"] or "best", args["page"] or 1)
    row = {**post, "created_at": post["when"], "edited_at": post["edited"],
           "saved": votes.is_saved(actor, "post", post["id"]), "page": thread.page, "pages": thread.pages}  # fmt: skip
    return drift(actor, fit({**row, "thread": [comment_row(each) for each in thread.comments]}, "PostDetail"))


def get_member(actor: Actor, args: Args) -> Row:
    """A profile."""
    found = people.get_member(actor.kit, args["name"])
    return fit({**found, "moderates": found["forums"]}, "Member")


def get_mod_log(actor: Actor, args: Args) -> Row:
    """What moderators did."""
    rows, total = moderation.read_log(actor, args["forum"], args["page"] or 1)
    return {"entries": [fit({**row, "made_at": row["when"]}, "Entry") for row in rows], "total": total}


UNTIL = query(TEXT, "What page 1 answered as `until`, so that later pages repeat nothing.")
POSTS = shape(posts=listing_of(component("Post")), total=WHOLE, page=WHOLE, pages=WHOLE, until=TEXT)

TOOLS: list[Tool[Actor]] = [
    Tool("list_forums", "GET", "/api/forums", "List all forums; one may lie in another, its parent.", list_forums,
         result=shape(forums=listing_of(component("Forum")))),
    Tool("get_forum", "GET", "/api/forums/{forum}", "One forum: rules, moderators, flairs, the forums inside it.",
         get_forum, FORUM, component("ForumDetail")),
    Tool("list_posts", "GET", "/api/posts", "List posts, fifteen a page, of one forum or of all. Page 1 of a forum by"
         " hot begins with what is pinned there.", list_posts,
         {"forum": query(TEXT, "The forum, without f/; all unless given."), "sort": ORDER, "period": PERIOD,
          "flair": query(TEXT, "Only posts with this flair."), "page": PAGE, "until": UNTIL}, POSTS),
    Tool("search_posts", "GET", "/api/search", "Find posts with all of these words in title or text.", search_posts,
         {"text": Argument("query", TEXT, "Words."), "forum": query(TEXT, "Only in this forum."),
          "author": query(TEXT, "Only by this member."), "sort": query(ORDER.schema, "Order; top unless given."),
          "page": PAGE, "until": UNTIL}, POSTS),
    Tool("get_post", "GET", "/api/posts/{post_id}", "One post with a page of its comments, twelve top-level ones and"
         " their replies; `depth` says how far down a reply is.", get_post,
         {**POST, "sort": COMMENT_ORDER, "page": PAGE}, component("PostDetail")),
    Tool("get_member", "GET", "/api/members/{name}", "A member's profile and karma.", get_member, NAME,
         component("Member")),
    Tool("get_mod_log", "GET", "/api/forums/{forum}/log", "What a forum's moderators did, the latest first,"
         " twenty-five entries a page.", get_mod_log, {**FORUM, "page": PAGE},
         shape(entries=listing_of(component("Entry")), total=WHOLE)),
]  # fmt: skip
