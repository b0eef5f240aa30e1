"""What is said below a report, by the people who work on Heron and those who use it."""

OPENING = (
    "Hello, {text}\n\nWe run version {version} {place}.",
    "{text}\n\nVersion {version}, {place}.",
    "This happened today: {text}\n\nI tried another browser and it is the same. Version {version}, {place}.",
    "{text}\n\nHow to get there:\n1. sign in as a coordinator\n2. do as the title says\n3. look\n\nVersion {version}.",
    "Reported by two of our coordinators independently. {text}\n\n(version {version}, {place})",
)
WISH = (
    "{text} Would others use this too?",
    "{text}\n\nI know that everybody's time is limited. If it helps I can test.",
    "{text}\n\nWe could do without it, but it comes up at every meeting.",
)
PLACES = (
    "on our own server, Debian 12",
    "in a container behind a proxy",
    "on the machine of a member, Ubuntu",
    "with the hosted offer",
    "on a small board in the hall's cupboard",
)
VERSIONS = ("3.8.1", "3.9.0", "3.9.2", "4.0.0", "4.0.1")

ASK = (
    "Thank you for the report. Which browser is that, and does it happen in a private window too?",
    "I cannot reproduce this with a fresh group. Could you attach the line of the log from that minute?",
    "Is that for all members, or only for those who joined before the update?",
    "Could you say what the group's language and time zone are set to? I have a suspicion.",
    "Does it also happen when nobody else is signed in?",
)
ANSWER = (
    "Firefox, and yes, in a private window as well. A colleague sees it with Chrome.",
    "Attached. It is the line that ends in 'ignored', I think.",
    "All of them, as far as I can tell. I asked three.",
    "English (United Kingdom) and Europe/London. The server itself stands in Frankfurt.",
    "Yes. I tried it late in the evening and had the place to myself.",
    "I have to correct myself: it only happens when the shift was made by copying.",
)
FOUND = (
    "Found it. We compare what was typed with what is stored, and one is trimmed. I will write a test first.",
    "This comes from the cache of the start page, which is cleared a step too early.",
    "The query lacks a second sort key, so the order is whatever the database likes that day.",
    "We take the server's zone here instead of the group's. It is in two places, both are wrong in the same way.",
    "It is the rounding before the sum instead of after it. An old friend.",
    "The check is made when the page is shown and not when the form comes back.",
)
DONE = (
    "Fixed on the main line; it will be in the next release. Please say if it is not gone for you then.",
    "Done, with a test that failed before. Thank you for being so patient and so exact.",
    "Merged. Whoever needs it now can take the nightly build.",
)
TOO = (
    "We have the same, by the way.",
    "+1 from us. It is the question I am asked most often.",
    "Same here since 4.0. For now we tell people to reload the page.",
    "This also affects the printed list, in case that helps.",
)
LATER = (
    "I would like this too, but not before the clean-up of the permissions. Moving it on.",
    "Let us keep this open and see what comes of the new calendar.",
    "A change for the next major version, I am afraid: old links would break.",
)
CLOSING = (
    "Closing: no answer for three months. Please open it again if it still happens.",
    "This works as it was meant to, but I see why it surprises. I have changed the text of the page.",
    "The same as an earlier report; let us go on there.",
)
LOG = """{day} 21:14:02 INFO  request GET /groups/{number}/rota
{day} 21:14:02 WARN  stored value differs from shown value, ignored
{day} 21:14:03 INFO  answered in 212 ms
"""
STEPS = """1. Open the group.
2. {title}.
3. Compare with what is on paper.
"""
