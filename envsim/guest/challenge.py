"""A question put between a visitor and what they want to do now and then, answered by reading it.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

from envsim.guest.members import Actor
from envsim.guest.service import Refusal

PASS_TICKS = 30
SENTENCES = (
    "The ferry leaves before the fog does", "Every key hangs on its own hook", "A kettle is the first thing to unpack",
    "Two cats watch the courtyard from the wall", "The baker opens long before the harbour",
    "Rain sounds best on a tin roof",
    "Someone left a lantern on the stairs", "The last tram turns at the lighthouse",
)  # fmt: skip


class Challenged(Refusal):
    """The answer to what must wait for an answer of the visitor's. `question` is what is asked, after `why`."""

    def __init__(self, question: str, why: str) -> None:
        super().__init__("challenge_required", f"{why} Please answer one question to go on: {question}", 403)
        self.question = question


def guard(actor: Actor, bug: str, why: str) -> None:
    """Let something through.

    Raises:
        Challenged: With the bug called `bug`, now and then, until it is answered; then not for `PASS_TICKS` requests.
    """
    kit = actor.kit
    if bug not in kit.bugs:
        return
    open_to: dict[str, dict[str, str | int]] = kit.cache.setdefault("challenge", {})
    state = open_to.get(actor.sid, {})
    if "answer" in state:
        raise Challenged(str(state["question"]), why)
    if state and kit.ticks - int(state["passed"]) <= PASS_TICKS:
        return
    if kit.bug(bug):
        question, answer = _question(kit.draw("challenge"))
        open_to[actor.sid] = {"question": question, "answer": answer}
        raise Challenged(question, why)


def _question(number: int) -> tuple[str, str]:
    if number % 2:
        sentence = SENTENCES[number // 2 % len(SENTENCES)]
        return f"What is the last word of “{sentence}”?", sentence.split()[-1]
    a, b = 3 + number // 2 % 17, 4 + number // 64 % 15
    return f"How much is {a} plus {b}?", str(a + b)


def answer(actor: Actor, text: str) -> None:
    """Take an answer; right is right in any case and with any full stop.

    Raises:
        Challenged: A wrong one; there is a new question.
    """
    kit = actor.kit
    state = kit.cache.get("challenge", {}).get(actor.sid, {})
    if "answer" not in state:
        return
    if text.strip().strip(".\"“”'").lower() != str(state["answer"]).lower():
        question, right = _question(kit.draw("challenge"))
        kit.cache["challenge"][actor.sid] = {"question": question, "answer": right}
        raise Challenged(question, "That was not right.")
    kit.cache["challenge"][actor.sid] = {"passed": kit.ticks}
