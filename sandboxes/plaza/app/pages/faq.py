"""Help topics: address -> title and paragraphs."""

from __future__ import annotations

TOPICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "votes": (
        "How votes work",
        (
            "Vote up what adds something, and down what does not. Voting again takes your vote back.",
            "For its first hour the score of a post or comment is hidden, so that nobody votes with the crowd.",
            "Karma is what others' votes on your posts and comments add up to. Your own vote does not count.",
        ),
    ),
    "sorting": (
        "Hot, new, top, controversial",
        (
            "Hot weighs votes against age: ten times the votes are worth about twelve and a half hours.",
            "New is the latest first. Top goes by score alone, in the time you choose.",
            "Controversial puts first what many voted on and could not agree about.",
            "Comments are sorted by Best: by how good they are at least, given their votes so far.",
        ),
    ),
    "writing": (
        "Writing posts and comments",
        (
            "Leave an empty line between paragraphs. Begin lines with a hyphen for a list, with > for a quotation.",
            "Put two stars around words to make them **bold**, one for *italics*, and backticks for `code`.",
            "A link is its words in square brackets and its address in round ones. u/name is linked by itself.",
            "Not ready yet? Save it as a draft; drafts are under your name.",
        ),
    ),
    "moderation": (
        "What moderators do",
        (
            "Every forum has moderators, named beside its posts. They can remove, lock and pin posts, and ban members.",
            "Report what breaks a rule; they will find it in their queue. All they do is in the forum's log.",
            "A removed post can be read by its author and by moderators only. A locked one takes no new comments.",
            "A forum may have a list of words. A post with one of them waits until a moderator has approved it.",
        ),
    ),
    "time": (
        "Times and time zones",
        (
            "Times are shown in your own time zone, which you choose under Settings; without an account, in UTC.",
            "A time is shown as clocks there read it on that day, in summer time or not.",
        ),
    ),
}
