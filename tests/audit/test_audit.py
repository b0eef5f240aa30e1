"""The audit refuses unsound tasks, says where and why, and speaks JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from envsim.audit import audit, forged_answers
from envsim.errors import ContentError
from envsim.task import Task
from envsim.testing import NonConformance, check_task

Cli = Callable[..., CompletedProcess[str]]
TASK = """
id = "{id}"
title = "t"
app = "shop"
interface = "tools"
split = "train"
goal = "g"
oracle = {oracle}

{params}
[[checks]]
{check}
"""
SOUND = 'kind = "answer"\ntype = "number"\nvalue = 320'
COUNT = """['search_products(text="linen")', 'answer(320)']"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("ENVSIM_PATH", str(tmp_path))
    (tmp_path / "tasks/shop").mkdir(parents=True)

    def add(name: str, *, check: str = SOUND, oracle: str = COUNT, params: str = "") -> str:
        text = TASK.format(id=name, check=check, oracle=oracle, params=params)
        (tmp_path / f"tasks/shop/{name}.toml").write_text(text)
        return name

    return add


def failures(name: str, **options: int) -> str:
    (audited,) = audit("shop", [name], seeds=2, **options)  # type: ignore[arg-type]
    assert audited.sound is (not audited.failures)
    return "\n".join(audited.failures)


def test_a_sound_task_passes(write: Callable[..., str]) -> None:
    (audited,) = audit("shop", [write("count")], seeds=2)
    assert audited.sound
    assert audited.means == {"oracle": 1.0, "null": 0.0, "random": 0.0, "write_nothing": None, "shuffled": None}


def test_a_task_solved_by_doing_nothing_is_refused(write: Callable[..., str]) -> None:
    found = failures(write("lazy", check='kind = "unchanged"'))
    assert "seed 0: null got 1, not 0: every check holds." in found
    assert "an answer of all that could be asked" in found


def test_a_task_its_oracle_does_not_solve_is_refused_with_the_first_check_and_what_stopped_it(
    write: Callable[..., str],
) -> None:
    found = failures(write("stuck", oracle="""['search_products(text="linen")', 'answer("{saved.total}")']"""))
    assert "seed 1: oracle got 0, not 1: The answer null is not the number 320. " in found
    assert "there is no 'total'" in found


def test_a_task_that_takes_any_answer_is_refused(write: Callable[..., str]) -> None:
    assert "seed 0: null got 1" in failures(write("any", check='kind = "answered"'))


def test_a_task_that_who_always_gives_up_solves_is_refused(write: Callable[..., str]) -> None:
    gives_up = """['report_infeasible(reason="no")']"""
    found = failures(write("hopeless", check='kind = "infeasible"', oracle=gives_up))
    assert found.startswith("every seed: report_infeasible() at once passes on all 20 instances. ")
    either = """[
      { when = "possible", do = ['search_products(text="linen")', 'answer(320)'] },
      { when = "!possible", do = ['report_infeasible(reason="no")'] },
    ]"""
    params = "[params.possible]\nchoices = [true, false]"
    check = f"when = 'possible'\n{SOUND}\n[[checks]]\nwhen = '!possible'\nkind = 'infeasible'"
    assert not failures(write("either", check=check, oracle=either, params=params))


def test_a_task_whose_check_is_broken_is_refused_before_it_runs(write: Callable[..., str]) -> None:
    name = write("broken", check='kind = "answer"\ntype = "date"\nvalue = "soon"')
    with pytest.raises(ContentError, match=r"broken.toml, seed 0: checks\[0\]: 'soon' is not a date"):
        audit("shop", [name], seeds=2)


def test_check_task_asserts_the_same_in_a_test_suite(write: Callable[..., str]) -> None:
    check_task("shop", write("count"), seeds=range(2))
    write("lazy", check='kind = "unchanged"')
    with pytest.raises(
        NonConformance, match=r"^shop/lazy: seed 3: null got 1, not 0: every check holds\. \(\d+ more\)$"
    ):
        check_task("shop", "lazy", seeds=[3])
    with pytest.raises(NonConformance, match="at least one seed"):
        check_task("shop", "count", seeds=())
    with pytest.raises(ContentError, match="no task 'nope'"):
        check_task("shop", "nope")


def test_forged_answers_hold_every_value_a_check_could_ask_for() -> None:
    task = Task(
        id="t@0", template="t", app="shop", interface="tools", split="train", goal="Find it.",
        params={"a": {"name": "Mug", "n": [1, 2]}, "b": "blue"},
    )  # fmt: skip
    assert dict(forged_answers(task))["an answer of all that could be asked, as a list"] == ["Mug", 1, 2, "blue"]


def test_the_result_does_not_depend_on_workers(write: Callable[..., str]) -> None:
    names = [write("one"), write("two", check='kind = "unchanged"')]
    assert audit("shop", names, seeds=1, workers=2) == audit("shop", names, seeds=1, workers=1)


def test_the_command_prints_json_and_exits_with_1_on_a_failure(write: Callable[..., str], cli: Cli) -> None:
    good = cli("envsim", "tasks", "audit", write("count"), "--seeds", "2", "--json")
    assert (good.returncode, good.stderr.strip()) == (0, "")
    assert json.loads(good.stdout) == [
        {"task": "count", "oracle": 1.0, "null": 0.0, "random": 0.0, "write_nothing": None, "shuffled": None}
    ]
    bad = cli("envsim", "tasks", "audit", "count", write("lazy", check='kind = "unchanged"'), "--seeds", "1", "--json")
    assert bad.returncode == 1
    assert [item["null"] for item in json.loads(bad.stdout)] == [0.0, 1.0]
    assert "lazy: seed 0: null got 1, not 0" in bad.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("audit", "nope"), "shop has no task 'nope'. Its tasks are: "),
        (("audit", "note-on-record"), "shop has no task 'note-on-record'. desk has one: name that app."),
        (("audit", "--bugs", "nope"), "shop has no bug 'nope'"),
        (("audit", "--app", "nope"), "There is no app 'nope'"),
        (("show", "nope"), "shop has no task 'nope'"),
        (("show", "buy-variant@x"), "is no task instance"),
        (("list", "--split", "dev"), "There is no split 'dev'"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments: tuple[str, ...], sentence: str, cli: Cli) -> None:
    done = cli("envsim", "tasks", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_list_and_show(cli: Cli) -> None:
    listed = json.loads(cli("envsim", "tasks", "list", "--interface", "tools", "--json").stdout)
    assert {item["interface"] for item in listed} == {"tools"}
    shown = json.loads(cli("envsim", "tasks", "show", f"{listed[0]['task']}@7", "--json").stdout)
    assert shown["id"] == f"{listed[0]['task']}@7"
    assert "{" not in shown["goal"]
    assert shown["oracle"]
    table = cli("envsim", "tasks", "show", "buy-variant@7")
    assert table.returncode == 0
    assert 'click("@button Add to cart")' in table.stdout
