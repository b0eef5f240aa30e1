"""Small conversations to mine and compare, made by seed."""

from __future__ import annotations

from envsim.goal import Fact, Item, UserGoal
from envsim.rng import Rng
from envsim.user.sessions import Exchange, Session

AREAS = ("north", "south", "centre")
FOODS = ("thai", "indian", "french")


def goal(seed: int) -> UserGoal:
    """A table in a restaurant; its telephone number is to be found out."""
    rng = Rng("goal", seed)
    return UserGoal(
        facts={
            "restaurant_area": Fact(value=rng.choice(AREAS), reveal="open"),
            "restaurant_food": Fact(value=rng.choice(FOODS), reveal="open"),
            "restaurant_people": Fact(value=str(1 + rng.integer(8)), reveal="open"),
        },
        unknown={"restaurant_phone": ("phone",)},
        items=(
            Item(
                id="restaurant",
                want="find a restaurant",
                tells=("restaurant_area", "restaurant_food"),
                needs=("restaurant_people",),
                learns=("restaurant_phone",),
            ),
        ),
    )


def session(seed: int, *, user: str = "", chatty: bool | None = None) -> Session:
    """One user's conversation; a chatty one says hello, tells two facts at once and thanks at length."""
    rng = Rng("session", seed)
    wanted = goal(seed)
    area, food, people = (str(wanted.facts[f"restaurant_{kind}"].value) for kind in ("area", "food", "people"))
    talks = rng.chance(0.5) if chatty is None else chatty
    turns = []
    if talks:
        text = rng.choice((
            f"Hello, I would love some {food} food in the {area}.",
            f"Hi there! Is there a {food} place in the {area} of town?",
            f"Good morning, we want to eat {food} food in the {area} please.",
        ))  # fmt: skip
        said = (("restaurant_area", area), ("restaurant_food", food))
        turns.append(Exchange("", (), text, ("inform:restaurant_area", "inform:restaurant_food"), said))
    else:
        turns.append(Exchange("", (), f"{food} food", ("inform:restaurant_food",), (("restaurant_food", food),)))
        turns.append(
            Exchange(
                "Which part of town?", ("request:restaurant_area",), rng.choice((f"{area}", f"the {area}")),
                ("inform:restaurant_area",), (("restaurant_area", area),),
            )
        )  # fmt: skip
    turns.append(
        Exchange(
            "How many people?", ("request:restaurant_people",), rng.choice((f"{people} people", f"for {people}.")),
            ("inform:restaurant_people",), (("restaurant_people", people),),
        )
    )  # fmt: skip
    turns.append(
        Exchange(
            "It is booked.", ("book:restaurant",), rng.choice(("What is the phone number?", "phone number?")),
            ("request:restaurant_phone",),
        )
    )  # fmt: skip
    bye = ("Thank you so much for all your help, goodbye!", ("bye", "thank")) if talks else ("bye", ("bye",))
    turns.append(Exchange("It is 01223 5.", ("inform:restaurant_phone",), bye[0], bye[1]))
    name = f"s{seed:04d}"
    return Session(name, user or name, tuple(turns), wanted, task=name)


def many(count: int, start: int = 0, *, chatty: bool | None = None) -> list[Session]:
    """Sessions of as many users."""
    return [session(seed, chatty=chatty) for seed in range(start, start + count)]
