"""What a board of posts needs that a shop does not: titles that two share, one form on many pages, times of zones."""

import json
from dataclasses import replace

import pytest

from envsim.state import apply
from worldmodel.document import delta_lines
from worldmodel.pages.names import open_names, row_names, sums
from worldmodel.render import Lexicon, entities_of
from worldmodel.requests import Request
from worldmodel.retrieval import substitute, substitution
from worldmodel.rules.beside import beside
from worldmodel.rules.branches import operation
from worldmodel.rules.known import Known
from worldmodel.rules.programs import Programs
from worldmodel.rules.relations import Relations
from worldmodel.session import Sample, Situation

NAMES = ("wanda", "otto_k", "ilse", "pavel", "noor", "quentin")
TITLES = ("Is it worth it?", "Moving house", "Is it worth it?", "A slow winter", "Moving house", "Paper or screen?")
ZONES = ("Africa/Lagos", "Europe/Rome", "Asia/Tokyo", "America/Denver", "Europe/Rome", "Asia/Kolkata")
STATE = {
    "members": {f"{name}@board.test": {"name": name, "zone": zone} for name, zone in zip(NAMES, ZONES, strict=True)},
    "posts": {
        str(40 + n): {"title": title, "author": NAMES[n], "score": 5 * n, "created_at": f"2026-01-{n + 10}T20:30:00Z"}
        for n, title in enumerate(TITLES)
    },
    "votes": {"ilse post 40": {"who": "ilse", "kind": "post", "target": 40}},
    "notices": {str(n): {"member": NAMES[n % 3], "seen": n % 2} for n in range(9)},
}
FORM = 'in "Votes"'


def button(title):
    """The label of a post's button, as pages and requests write it."""
    return json.dumps(f"Upvote “{title}”", ensure_ascii=False)


def page(url, order):
    """The posts in some order, each with its button and links."""
    lines = [f'@url "{url}"', '@title "Board"', "main", '  form "Votes"', '    list "Posts"']
    for key in order:
        row = STATE["posts"][key]
        lines += ["      listitem", f"        button {button(row['title'])} {{pressed: false}}",
                  f"        link {json.dumps(row['title'])} -> /p/{key}",
                  f"        link {json.dumps(row['author'])} -> /u/{row['author']}",
                  f'        link "2 comments" -> /p/{key}#comments']  # fmt: skip
    return tuple(lines)


def vote(number, url, who, key, state=STATE):
    """Somebody votes for a post on a page of them, or takes the vote back, and stays there."""
    keys = sorted(state["posts"])
    shown = page(url, keys[number % 6 :] + keys[: number % 6])
    title = button(state["posts"][key]["title"])
    name = state["members"][who]["name"]
    mine = f"votes/{name} post {key}"
    if f"{name} post {key}" in state["votes"]:
        delta = ((f"posts/{key}/score", state["posts"][key]["score"] - 1), (mine,))
    else:
        row = {"who": name, "kind": "post", "target": int(key)}
        delta = ((f"posts/{key}/score", state["posts"][key]["score"] + 1), (mine, row))
    situation = Situation(
        "browser", Request((f'click button {title} on "{url}"', FORM)), shown, (), (f'login "{who}"',), state
    )
    # A shared title on one page names two blocks: whoever is shown both is not told which.
    return Sample(f"s{number}", f"g{number}", number + 1, situation, (*delta_lines(delta), *shown)), delta


def seen(key, number):
    """A page on which no other post has this title."""
    keys = [k for k in sorted(STATE["posts"]) if k == key or STATE["posts"][k]["title"] != STATE["posts"][key]["title"]]
    return page("/", keys[number % 3 :] + keys[: number % 3])


def recorded(urls):
    """Votes of all members, on the pages `urls` in turn, each taken back by the next request."""
    found = []
    for number in range(18):
        who, key, url = (
            f"{NAMES[number % 6]}@board.test",
            str(40 + (number * 5 + number // 6 + 1) % 6),
            urls[number % 2],
        )
        state = STATE
        for again in (0, 1):
            sample, delta = vote(number, url, who, key, state)
            current = (f'@url "{url}"', *seen(key, number + again)[1:])
            situation = replace(sample.situation, current=current)
            found.append(replace(sample, situation=situation, index=sample.index + again))
            state = apply(state, delta)
    return found


@pytest.fixture(scope="module")
def rules():
    return Programs.learn(STATE, recorded(("/", "/b/oak")), 0)


@pytest.mark.parametrize("url", ["/", "/b/oak", "/kept"])
@pytest.mark.parametrize("key", ["40", "42", "44"])
def test_a_title_that_two_share_is_told_by_the_links_beside_the_button_on_every_page_that_has_it(rules, url, key):
    sample, delta = vote(50, url, "quentin@board.test", key)
    outcome = rules.outcome(replace(sample.situation, current=seen(key, 1)))
    assert outcome is not None
    assert outcome.delta is not None
    voted = apply(STATE, outcome.delta)
    assert voted == apply(STATE, delta)
    again, _ = vote(51, url, "quentin@board.test", key, voted)
    back = rules.outcome(replace(again.situation, current=seen(key, 2)))
    assert back is not None
    assert apply(voted, back.delta or ()) == STATE


def test_another_form_is_another_control(rules):
    request = Request((f'click button "Upvote “{TITLES[1]}”" on "/kept"', 'in "Something else"'))
    assert rules.outcomes(Situation("browser", request, seen("41", 0), (), ('login "ilse@board.test"',), STATE)) == ()


def test_what_the_links_of_a_block_name():
    known = Known.learn(STATE)
    request = Request(('click button "Upvote “A slow winter”" on "/"', FORM))
    assert beside(request, seen("43", 0), known) == {"beside /p/*": "43", "beside /u/*": "pavel"}
    twice = Request(('click button "Upvote “Moving house”" on "/"', FORM))
    assert beside(twice, page("/", sorted(STATE["posts"])), known) == {}
    assert beside(Request(('get "/p/43"',)), seen("43", 0), known) == {}


def test_a_word_that_several_labels_have_a_handle_in_place_of_is_a_name_there_alone():
    known = Known.learn(STATE, labels=["Thank wanda", "Thank otto_k", "Send to ilse", "Send to ilse"])
    assert known.mask("Thank noor") == "Thank *"
    assert known.mask("Send to ilse") == "Send to ilse"
    assert known.cut("Thank quentin")[1] == ("quentin",)
    pressed = [operation(Request((f'click button "Thank {name}" on "/p/40"',)), known) for name in ("pavel", "wanda")]
    assert pressed[0] == pressed[1]


def test_numbers_that_count_rows_refer_to_nothing_that_no_name_says():
    links = Relations.learn({
        "posts": {str(n): {"score": 3 * n % 400, "topic": f"t{n % 7}", "notice_id": n} for n in range(1, 400)},
        "notices": {str(n): {"text": "x"} for n in range(1, 400)},
        "topics": {f"t{n}": {"part_of": f"t{n // 3}" if n else None} for n in range(12)},
    })  # fmt: skip
    assert links.links["posts", "notice_id"] == ("notices",)
    assert ("posts", "score") not in links.links
    assert links.twins == {}
    assert links.links["topics", "part_of"] == ("topics",)
    state = {"topics": {"t1": {"part_of": "t0", "title": "Sea"}, "t0": {"part_of": None, "title": "World"}}}
    assert links.attributes(state, "topics", "t1")["part_of>topics.title"] == "World"


def test_rows_as_they_are_to_whoever_looks():
    relations = Relations.learn(STATE)
    names = open_names({"login": "ilse@board.test", "url.0": "p", "url.1": "40"}, STATE, relations)
    assert names.value("url.1>posts.created_at in login>members.zone") == "2026-01-11T05:30:00"
    assert names.show("url.1>posts.created_at in login>members.zone", "day month time") == "11 Jan 2026, 05:30"
    assert names.value("url.1.mine votes post") == "ilse post 40"
    assert names.value("url.1.mine votes post.target") == 40
    row = row_names(names, "posts", "41", 0)
    assert row.value("each.created_at in login>members.zone") == "2026-01-12T05:30:00"
    assert not row.knows("each.mine votes post")
    assert row_names(names, "posts", "40", 0).knows("each.mine votes post")
    assert not any(" in " in name or "mine" in name for name, _ in open_names({}, STATE, relations).items())


def test_what_an_account_has_not_read_is_counted_by_its_name():
    relations = Relations.learn(STATE)
    names = open_names({"login": "wanda@board.test"}, STATE, relations)
    unread = "sum notices member&seen=0 login>members.name"
    assert unread in sums([names])
    assert names.value(unread) == 2
    assert names.value(unread.replace("=0", "=1")) == 1


def test_a_neighbours_page_has_what_the_account_says_of_itself():
    people = {
        "ann@x.test": {"name": "Ann Abel", "about": "Likes trains, and (mostly) maps."},
        "bo@x.test": {"name": "Bo Beck", "about": "Cooks."},
    }
    theirs, ours = (
        Situation("browser", Request(('get "/account"',)), (), (), (f'login "{who}"',), {"people": people})
        for who in people
    )
    lexicon = Lexicon.build([("s", ('text "Your account"',))] * 9, entities_of({"people": people}))
    page = (
        'heading "Your account"',
        'textbox "Name" = "Ann Abel"',
        'text "Likes trains, and (mostly) maps."',
    )
    assert substitute(lexicon, page, substitution(lexicon, theirs, ours)) == (
        'heading "Your account"', 'textbox "Name" = "Bo Beck"', 'text "Cooks."',
    )  # fmt: skip
