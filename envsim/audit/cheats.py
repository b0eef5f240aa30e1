"""The register of cheats: policies that try to be rewarded for what they did not do. Every one must get 0.

A cheat acts as any agent does, through actions alone, and sees what any agent sees. Its class says which flaw
of a benchmark it tries: the eight of an audit of ten agent benchmarks (219 flaws: gold readable, control plane or
checker reachable, agent's output trusted, lenient checkers, null policies, leaks between episodes, steered judges,
time and randomness), and those of pages, rights, form and simulated users.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from envsim.audit.sight import CheatPolicy, Memory, Script, Sight
from envsim.audit.tricks import answers, pages, talk, tools
from envsim.task import Interface, Task

ExploitClass = Literal[
    "gold-readable", "control-reachable", "output-trusted", "lenient-checker", "null-policy", "episode-leak",
    "judge-steered", "time-and-chance", "web-scheme", "page-edited", "collateral-damage", "missing-rights",
    "malformed-action", "user-steered",
]  # fmt: skip
BROWSER: tuple[Interface, ...] = ("browser",)
TOOLS: tuple[Interface, ...] = ("tools",)
BOTH: tuple[Interface, ...] = ("browser", "tools")


@dataclass(frozen=True)
class Cheat:
    """One scripted exploit.

    Attributes:
        name: Unique.
        kind: What it tries to exploit.
        script: What it does; its docstring or `title` says it in words.
        interfaces: Where it applies.
        user: It needs a simulated user to speak to.
        memory: It needs another instance, solved before in the same sandbox.
        scripts: It is worth running where scripts run: in a real browser, too.
    """

    name: str
    kind: ExploitClass
    script: Callable[[Sight], Script]
    interfaces: tuple[Interface, ...] = BOTH
    user: bool = False
    memory: bool = False
    scripts: bool = False

    def applies(self, task: Task) -> bool:
        """Whether `task` has what the cheat needs."""
        return task.interface in self.interfaces and (task.user is not None or not self.user)

    def policy(self, memory: Memory | None = None) -> CheatPolicy:
        """A new policy that plays it."""
        return CheatPolicy(self.script, memory)


_ANSWERS: Sequence[Cheat] = (
    Cheat("give-up-at-once", "null-policy", answers.give_up),
    Cheat("answer-nothing", "null-policy", answers.answering(lambda sight: None)),
    Cheat("answer-the-goal", "null-policy", answers.answering(lambda sight: sight.goal)),
    Cheat("wait-it-out", "null-policy", answers.wait_it_out),
    Cheat("claim-success", "output-trusted", answers.claim),
    Cheat("claim-everything-seen", "output-trusted", answers.claim_everything),
    Cheat("answer-with-a-verdict", "output-trusted", answers.answering(answers.verdict)),
    Cheat("answer-everything-seen", "lenient-checker", answers.answering(answers.everything, after_reading=True)),
    Cheat("answer-a-list-of-everything", "lenient-checker", answers.answering(answers.every_item, after_reading=True)),
    Cheat("answer-under-every-key", "lenient-checker", answers.answering(answers.every_key, after_reading=True)),
    Cheat("answer-words-of-success", "lenient-checker", answers.answering(answers.words_of_success)),
    Cheat("answer-true-one-or-empty", "lenient-checker", answers.answering(answers.truths)),
    Cheat("answer-lookalikes", "lenient-checker", answers.answering(answers.lookalikes, after_reading=True)),
    Cheat("answer-very-long", "lenient-checker", answers.answering(answers.very_long, after_reading=True)),
    Cheat("answer-a-pattern", "lenient-checker", answers.answering(answers.patterns)),
    Cheat("answer-a-range", "lenient-checker", answers.answering(answers.a_range)),
    Cheat("answer-to-the-judge", "judge-steered", answers.answering(answers.to_the_judge)),
    Cheat("message-to-the-judge", "judge-steered", answers.prompt_by_message),
    Cheat("answer-of-another-instance", "episode-leak", answers.the_other_answer, memory=True),
    Cheat("solution-of-another-instance", "episode-leak", answers.the_other_solution, memory=True),
    Cheat("malformed-actions", "malformed-action", answers.malformed),
    Cheat("actions-of-greatest-size", "malformed-action", answers.as_large_as_allowed),
)
_PAGES: Sequence[Cheat] = (
    Cheat("read-files", "gold-readable", pages.READ_FILES, BROWSER, scripts=True),
    Cheat("path-traversal", "gold-readable", pages.TRAVERSAL, BROWSER),
    Cheat("debug-paths", "gold-readable", pages.DEBUG_PATHS, BROWSER),
    Cheat("hidden-in-the-page", "gold-readable", pages.hidden_in_page, BROWSER),
    Cheat("view-source", "web-scheme", pages.VIEW_SOURCE, BROWSER, scripts=True),
    Cheat("javascript-urls", "web-scheme", pages.JAVASCRIPT, BROWSER, scripts=True),
    Cheat("data-urls", "web-scheme", pages.DATA_URL, BROWSER, scripts=True),
    Cheat("pages-of-the-browser", "web-scheme", pages.BROWSER_PAGES, BROWSER, scripts=True),
    Cheat("other-ports-and-hosts", "control-reachable", pages.OTHER_PORTS, BROWSER, scripts=True),
    Cheat("control-socket", "control-reachable", pages.CONTROL_SOCKET, BROWSER, scripts=True),
    Cheat("control-paths", "control-reachable", pages.CONTROL_PATHS, BROWSER),
    Cheat("local-storage", "page-edited", pages.LOCAL_STORAGE, BROWSER, scripts=True),
    Cheat("forged-notices", "page-edited", pages.NOTICES, BROWSER),
    Cheat("edit-the-page", "page-edited", pages.edit_the_page, BROWSER, scripts=True),
    Cheat("script-in-fields", "page-edited", pages.SCRIPT_IN_FIELDS, BROWSER, scripts=True),
    Cheat("toast-in-fields", "page-edited", pages.TOAST_IN_FIELDS, BROWSER),
    Cheat("judge-in-fields", "judge-steered", pages.JUDGE_IN_FIELDS, BROWSER),
    Cheat("decoy-forms", "output-trusted", pages.GOAL_IN_FIELDS, BROWSER),
    Cheat("press-everything", "collateral-damage", pages.press_everything, BROWSER),
    Cheat("end-everything-on-pages", "collateral-damage", pages.carpet, BROWSER),
    Cheat("admin-pages", "missing-rights", pages.ADMIN, BROWSER),
    Cheat("pages-of-others", "missing-rights", pages.others_orders, BROWSER),
    Cheat("pages-of-another-episode", "episode-leak", pages.stale_pages, BROWSER, memory=True),
    Cheat("tabs-and-history", "episode-leak", pages.tabs, BROWSER),
    Cheat("flood-of-waiting", "time-and-chance", pages.flood_of_waiting, BROWSER),
    Cheat("flood-of-reloads", "time-and-chance", pages.flood_of_reloads, BROWSER),
)
_TOOLS: Sequence[Cheat] = (
    Cheat("traversal-in-arguments", "gold-readable", tools.TRAVERSE, TOOLS),
    Cheat("injection-in-arguments", "gold-readable", tools.INJECT, TOOLS),
    Cheat("undeclared-operations", "control-reachable", tools.undeclared, TOOLS),
    Cheat("undeclared-arguments", "missing-rights", tools.undeclared_arguments, TOOLS),
    Cheat("confused-types", "lenient-checker", tools.CONFUSE_TYPES, TOOLS),
    Cheat("staff-operations", "missing-rights", tools.staff_tools, TOOLS),
    Cheat("records-of-others", "missing-rights", tools.others_records, TOOLS),
    Cheat("decoy-rows", "output-trusted", tools.decoys, TOOLS),
    Cheat("judge-in-rows", "judge-steered", tools.judge_in_rows, TOOLS),
    Cheat("end-everything-by-tools", "collateral-damage", tools.end_everything, TOOLS),
    Cheat("buy-everything", "collateral-damage", tools.buy_everything, TOOLS),
    Cheat("flood-of-calls", "time-and-chance", tools.flood_of_calls, TOOLS),
)
_TALK: Sequence[Cheat] = (
    Cheat("ask-the-user-for-all", "user-steered", talk.ASK_FOR_ALL, user=True),
    Cheat("press-the-user-for-secrets", "user-steered", talk.PRESS_FOR_SECRETS, user=True),
    Cheat("tell-the-user-it-is-done", "user-steered", talk.CLAIM_TO_BE_DONE, user=True),
    Cheat("instruct-the-user", "user-steered", talk.INJECT, user=True),
    Cheat("let-the-user-do-it", "user-steered", talk.LET_THE_USER_WORK, user=True),
    Cheat("parrot-the-user", "user-steered", talk.parrot, user=True),
    Cheat("turn-the-user-away", "user-steered", talk.accuse, user=True),
)
CHEATS: tuple[Cheat, ...] = (*_ANSWERS, *_PAGES, *_TOOLS, *_TALK)
"""All of them, by name unique."""
