"""The forum's rows, through Spirit's own models."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Count
from spirit.category.models import Category
from spirit.comment.bookmark.models import CommentBookmark
from spirit.comment.flag.models import CommentFlag, Flag
from spirit.comment.history.models import CommentHistory
from spirit.comment.like.models import CommentLike
from spirit.comment.models import Comment
from spirit.comment.poll.models import CommentPoll, CommentPollChoice, CommentPollVote
from spirit.comment.poll.utils.render_static import post_render_static_polls
from spirit.core.utils.markdown import Markdown
from spirit.topic.favorite.models import TopicFavorite
from spirit.topic.models import Topic
from spirit.topic.notification.models import TopicNotification
from spirit.topic.private.models import TopicPrivate
from spirit.topic.unread.models import TopicUnread
from spirit.user.models import UserProfile

from envsim.rng import Rng

from ..outbox import TABLE
from . import text, words
from .board import MEMBERS, NOW, OPENED, moments, password_hash

Users = list[Any]

PRIVATE = 1
"""The category of private topics: Spirit's ST_TOPIC_PRIVATE_CATEGORY_PK."""


def fill() -> None:
    """Create the schema and everything in it."""
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(TABLE)
        users = _people()
        categories = _categories()
        _topics(users, categories)
        _private(users)
        _reactions(users)
        _counts()
        _configure()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE django_migrations SET applied = %s", [OPENED])
    call_command("rebuild_index", interactive=False, verbosity=0)
    connection.close()
    _leave_wal(Path(str(connection.settings_dict["NAME"])))


def _leave_wal(path: Path) -> None:
    # One plain file: what opens it later decides how it is journalled.
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = DELETE")
    db.close()


# -- people ------------------------------------------------------------------------------------


def _people() -> Users:
    user_model = get_user_model()
    rng, users, profiles = Rng("spirit", "people"), [], []
    for at in range(MEMBERS):
        first, last = words.FIRST[at % len(words.FIRST)], words.LAST[(at * 7) % len(words.LAST)]
        username = f"{first}.{last}".lower()
        users.append(
            user_model(
                id=at + 1, username=username, email=f"{username}@example.com", password=password_hash(username),
                is_active=True, is_staff=at == 0, is_superuser=at == 0,
                date_joined=OPENED + timedelta(hours=int(rng.uniform() ** 2 * 7000)) if at > 8 else OPENED,
            )
        )  # fmt: skip
    user_model.objects.bulk_create(users)
    for at, user in enumerate(users):
        first, last = user.username.split(".")
        profiles.append(
            UserProfile(
                id=at + 1, user=user, nickname=f"{first.title()} {last.title()}", location=rng.choice(words.PLACES),
                is_administrator=at == 0, is_moderator=at < 3, is_verified=True, timezone="UTC",
            )
        )  # fmt: skip
    UserProfile.objects.bulk_create(profiles)
    for user in users:
        seen = NOW - timedelta(hours=1 + int(rng.uniform() ** 3 * 900))
        UserProfile.objects.filter(user=user).update(last_seen=seen)
        user_model.objects.filter(pk=user.pk).update(last_login=seen)
    return users


# -- topics ------------------------------------------------------------------------------------


def _categories() -> dict[str, Any]:
    Category.objects.filter(pk=PRIVATE).update(reindex_at=OPENED)
    # Spirit's migration leaves an "Uncategorized" for the first forum to rename.
    Category.objects.exclude(pk=PRIVATE).delete()
    made: dict[str, Any] = {}
    for number, (slug, (title, description, parent)) in enumerate(words.CATEGORIES.items(), 2):
        made[slug] = Category.objects.create(
            id=number, title=title, description=description, parent=made.get(parent), reindex_at=OPENED, sort=number
        )
    return made


def _topics(users: Users, categories: dict[str, Any]) -> None:
    posts: list[dict[str, Any]] = []
    starts = Rng("spirit", "starts")
    span = (NOW - OPENED).total_seconds() / 3600 - 200
    plans = []
    for thread in text.threads():
        start = OPENED + timedelta(hours=24 + starts.integer(int(span)), minutes=starts.integer(60))
        if thread.days_ago is not None:
            start = NOW - timedelta(days=thread.days_ago, hours=starts.integer(12))
        plans.append((start, thread))
    plans.sort(key=lambda plan: (plan[0], plan[1].title))
    topics = []
    for at, (start, thread) in enumerate(plans, 1):
        written = _posts(Rng("spirit", "topic", at), at, thread, users, start)
        posts += written
        last = written[-1]["date"]
        topics.append(
            Topic(
                id=at, user=written[0]["user"], category=categories[thread.category], title=thread.title, date=start,
                last_active=last, reindex_at=start, comment_count=len(written),
                view_count=len(written) * 4 + starts.integer(160),
                is_pinned=thread.title.startswith("Mains voltage"),
                is_globally_pinned=thread.title.startswith("Open evening in March"),
                is_closed=thread.title.startswith(("How was the winter", "Lost: one glove")),
            )
        )  # fmt: skip
    Topic.objects.bulk_create(topics)
    _comments(posts)


def _posts(rng: Rng, topic: int, thread: text.Thread, users: Users, start: datetime) -> list[dict[str, Any]]:
    here = [user for user in users if user.date_joined < start]
    # A few people answer most questions, as everywhere.
    crowd = rng.sample(here, 5) + rng.sample(here[:14], 4)
    author = crowd[0]
    posts = [{"topic": topic, "user": author, "date": start, "comment": thread.opening}]
    said: set[str] = set()
    for number, date in enumerate(moments(rng, start, thread.answers, 30.0), 1):
        before = posts[-1]["user"]
        others = [user for user in crowd if user is not before] or here
        asker = thread.subject is not None and number == thread.answers and before is not author
        user = author if asker else rng.choice(others)
        told = next((p["user"] for p in reversed(posts) if p["user"] is not user), before)
        body = text.answer(rng, thread, number, told.username.split(".")[0].title(), said)
        posts.append({"topic": topic, "user": user, "date": date, "comment": body})
    return posts


def _comments(posts: list[dict[str, Any]]) -> None:
    """Save posts in the order they were written, with their HTML and polls as Spirit makes them of their text."""
    first = (Comment.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1
    posts.sort(key=lambda post: (post["date"], post["topic"]))
    rows, polls = [], []
    for pk, post in enumerate(posts, first):
        markdown = Markdown()
        html = markdown.render(post["comment"])
        if markdown.get_polls()["polls"]:
            polls.append((pk, markdown.get_polls()))
        rows.append(
            Comment(
                id=pk, topic_id=post["topic"], user=post["user"], date=post["date"], comment=post["comment"],
                comment_html=html, ip_address="127.0.0.1",
            )
        )  # fmt: skip
    Comment.objects.bulk_create(rows)
    for pk, found in polls:
        comment = Comment.objects.get(pk=pk)
        CommentPoll.update_or_create_many(comment=comment, polls_raw=found["polls"])
        CommentPollChoice.update_or_create_many(comment=comment, choices_raw=found["choices"])
        CommentPoll.objects.filter(comment=comment).update(created_at=comment.date)


def _private(users: Users) -> None:
    posts: list[dict[str, Any]] = []
    first = Topic.objects.order_by("-pk").values_list("pk", flat=True)[0] + 1
    for at, (title, opening, answers) in enumerate(words.PRIVATE):
        rng = Rng("spirit", "private", at)
        pair = [users[at % 4], users[4 + at * 3]]
        times = moments(rng, NOW - timedelta(days=40 - 4 * at), len(answers), 9.0)
        start = times[0] - timedelta(minutes=50)
        topic = Topic.objects.create(
            id=first + at, user=pair[0], category_id=PRIVATE, title=title, date=start,
            last_active=times[-1], reindex_at=start, comment_count=len(answers) + 1, view_count=2 * len(answers) + 3,
        )  # fmt: skip
        TopicPrivate.objects.bulk_create([TopicPrivate(user=user, topic=topic, date=start) for user in pair])
        said = [(start, opening), *zip(times, answers, strict=True)]
        posts += [
            {"topic": topic.pk, "user": pair[turn % 2], "date": date, "comment": body}
            for turn, (date, body) in enumerate(said)
        ]
    _comments(posts)


# -- reactions -----------------------------------------------------------------------------------


def _reactions(users: Users) -> None:
    comments = list(Comment.objects.order_by("pk").select_related("topic"))
    public = [c for c in comments if c.topic.category_id != PRIVATE]
    _likes(users, public)
    _votes(users)
    _followers(users, comments)
    _edits(public)
    _flags(users, public)


def _likes(users: Users, comments: list[Any]) -> None:
    rows = []
    for comment in comments:
        rng = Rng("spirit", "likes", comment.pk)
        count = rng.integer(7) if rng.chance(0.45) else 0
        for user in rng.sample([user for user in users if user.pk != comment.user_id], count):
            date = comment.date + timedelta(seconds=int((NOW - comment.date).total_seconds() * rng.uniform() * 0.2))
            rows.append(CommentLike(user=user, comment=comment, date=date))
    rows.sort(key=lambda row: (row.date, row.comment_id, row.user_id))
    CommentLike.objects.bulk_create(rows)


def _votes(users: Users) -> None:
    rows = []
    for poll in CommentPoll.objects.order_by("pk"):
        rng = Rng("spirit", "votes", poll.pk)
        choices = list(CommentPollChoice.objects.filter(poll=poll).order_by("number"))
        for user in rng.sample(users[:60], 14 + rng.integer(20)):
            for choice in rng.sample(choices, 1 + rng.integer(poll.choice_max)):
                rows.append(CommentPollVote(voter=user, choice=choice, created_at=poll.created_at + timedelta(hours=5)))
    CommentPollVote.objects.bulk_create(rows)
    for choice in CommentPollChoice.objects.annotate(votes=Count("choice_votes")):
        CommentPollChoice.objects.filter(pk=choice.pk).update(vote_count=choice.votes)


def _followers(users: Users, comments: list[Any]) -> None:
    """What Spirit keeps for everybody who wrote in a topic: a notification, whether it was read, and how far."""
    threads: dict[int, list[Any]] = defaultdict(list)
    for comment in comments:
        threads[comment.topic_id].append(comment)
    notifications, unread, bookmarks, favourites = [], [], [], []
    for topic, posts in sorted(threads.items()):
        rng, last = Rng("spirit", "followers", topic), posts[-1]
        for user in sorted({post.user_id for post in posts}):
            fresh = user != last.user_id and NOW - last.date < timedelta(days=9) and rng.chance(0.7)
            common: dict[str, Any] = {"user_id": user, "topic_id": topic, "date": last.date}
            notifications.append(
                TopicNotification(
                    **common, comment=last, is_read=not fresh, is_active=True,
                    action=TopicNotification.COMMENT if user != last.user_id else TopicNotification.UNDEFINED,
                )
            )  # fmt: skip
            unread.append(TopicUnread(**common, is_read=not fresh))
            seen = max(1, len(posts) - (1 if fresh else 0))
            bookmarks.append(CommentBookmark(user_id=user, topic_id=topic, comment_number=seen))
        if rng.chance(0.08) and posts[0].topic.category_id != PRIVATE:
            favourites.append(TopicFavorite(user=rng.choice(users[:30]), topic_id=topic, date=last.date))
    TopicNotification.objects.bulk_create(notifications)
    TopicUnread.objects.bulk_create(unread)
    CommentBookmark.objects.bulk_create(bookmarks)
    TopicFavorite.objects.bulk_create(favourites)


def _edits(comments: list[Any]) -> None:
    """Some posts were changed later, and their first version is kept."""
    for comment in Rng("spirit", "edits").sample([c for c in comments if "[poll" not in c.comment], 24):
        markdown = Markdown()
        CommentHistory.objects.create(comment_fk=comment, comment_html=comment.comment_html, date=comment.date)
        comment.comment += "\n\n*Edit: a typo, and it is on the second shelf now.*"
        comment.comment_html = markdown.render(comment.comment)
        comment.is_modified, comment.modified_count = True, 1
        comment.save()
        html = post_render_static_polls(comment)
        CommentHistory.objects.create(comment_fk=comment, comment_html=html, date=comment.date + timedelta(minutes=6))


def _flags(users: Users, comments: list[Any]) -> None:
    """Four open reports and two that a moderator has closed."""
    reasons = (
        "Reads like an advertisement",
        "Off topic, there is a category for that",
        "",
        "A bit rough in tone",
        "",
        "Duplicate",
    )
    for at, comment in enumerate(Rng("spirit", "flags").sample(comments, 6)):
        date = min(comment.date + timedelta(hours=3), NOW - timedelta(hours=2))
        user = next(user for user in users[10 + at :] if user.pk != comment.user_id)
        Flag.objects.create(user=user, comment=comment, date=date, reason=at % 2, body=reasons[at])
        closed = at >= 4
        CommentFlag.objects.create(comment=comment, date=date, is_closed=closed, moderator=users[1] if closed else None)


# -- what is counted ---------------------------------------------------------------------------


def _counts() -> None:
    for comment in Comment.objects.annotate(likes=Count("comment_likes")).filter(likes__gt=0):
        Comment.objects.filter(pk=comment.pk).update(likes_count=comment.likes)
    for user in get_user_model().objects.order_by("pk"):
        UserProfile.objects.filter(user=user).update(
            topic_count=Topic.objects.filter(user=user).count(), comment_count=Comment.objects.filter(user=user).count()
        )


def _configure() -> None:
    """The forum's name, where Spirit's own settings page keeps it."""
    with connection.cursor() as cursor:
        for key, value in (
            ("site_name", "Mendwick"),
            ("site_description", "The forum of the repair hall by the mill"),
            ("comments_per_page", "20"),
            ("topics_per_page", "20"),
            ("_updated_at", "2025-03-14 17:00:00+00:00"),
        ):
            cursor.execute("INSERT INTO djconfig_config (key, value) VALUES (%s, %s)", [key, value])
