from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from envsim.errors import ContentError
from envsim.reward.checks import Record, evaluate
from envsim.state import split_path
from envsim.task import Task
from envsim.task_template import find_template, load_tasks, load_template, select_templates
from envsim.types import Action

VIEW: dict[str, Any] = {
    "products": {str(n): {"name": f"Mug {n}", "price_cents": 100 * n, "shelf": n % 2} for n in range(1, 13)},
    "variants": {
        f"v{n}-{label}": {"product_id": n, "label": label, "stock": n if label == "S" else 0}
        for n in range(1, 13)
        for label in "SL"
    },
    "customers": {"1": {"email": "a@x.test"}, "2": {"email": "b@x.test"}},
    "orders": {},
}
BUY = """
id = "buy"
title = "Buy some"
app = "mini"
interface = "tools"
split = "train"
goal = ["Buy {quantity} {product.name} ({variant.label}).", "I need {quantity} of {product.name}, {variant.label}."]
max_steps = 9
bugs = ["slow"]
oracle = [
  'buy(sku="{variant.key}", quantity="{quantity}")',
  'answer("{total:amount}")',
]

[params.customer]
from = "customers"

[params.product]
from = "products"
where = "row.shelf == `1`"

[params.variant]
from = "variants"
where = "row.stock > `0` && lookup(products, row.product_id).key == product.key"

[params.quantity]
range = [1, 3]

[params.total]
value = "mul(product.price_cents, quantity)"

[start]
url = "/p/{product.key}"
login = "{customer.email}"
setup = ['empty_cart(who="{customer.key}", note="{{}}")']

[[checks]]
kind = "state"
query = "added.orders[?sku == 'x'].sku"
count = 0

[[checks]]
kind = "unchanged"
except = ["variants/{variant.key}/stock", "+orders/*"]

[[checks]]
kind = "answer"
type = "money"
value = "{total:money}"
"""


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sandboxes/mini").mkdir(parents=True)
    (tmp_path / "sandboxes/mini/sandbox.toml").write_text("")
    (tmp_path / "tasks/mini").mkdir(parents=True)
    (tmp_path / "tasks/mini/buy.toml").write_text(BUY)
    other = BUY.replace('id = "buy"', 'id = "other"').replace('"train"', '"test"').replace('"tools"', '"browser"')
    (tmp_path / "tasks/mini/other.toml").write_text(other)
    monkeypatch.setenv("ENVSIM_PATH", str(tmp_path))
    return tmp_path


def test_an_instance_is_filled_in_throughout() -> None:
    task = find_template("mini", "buy").instantiate(5, VIEW)
    p: dict[str, Any] = task.params
    assert task.id == "buy@5"
    assert (task.template, task.app, task.interface, task.split, task.max_steps, task.bugs) == (
        "buy", "mini", "tools", "train", 9, ("slow",),
    )  # fmt: skip
    assert p["variant"]["product_id"] == int(p["product"]["key"])
    assert p["variant"]["stock"] > 0
    assert p["total"] == p["product"]["price_cents"] * p["quantity"]
    assert f"{p['quantity']}" in task.goal
    assert p["product"]["name"] in task.goal
    assert task.start.login == p["customer"]["email"]
    assert task.start.url == f"/p/{p['product']['key']}"
    assert task.start.setup == (Action.call("empty_cart", who=p["customer"]["key"], note="{}"),)
    assert task.checks[1]["except"][0] == f"variants/{p['variant']['key']}/stock"
    solved = Record(VIEW, VIEW, answered=True, answer=p["total"] / 100)
    assert evaluate(task, solved).reward == 1.0


def instantiate(root: Path, text: str, seed: int = 5) -> Task:
    path = root / "tasks/mini/buy.toml"
    path.write_text(text)
    return load_template(path).instantiate(seed, VIEW)


def test_a_check_with_a_condition_is_of_the_instances_where_it_holds(root: Path) -> None:
    text = BUY.replace('[[checks]]\nkind = "answer"', '[[checks]]\nwhen = "quantity > `1`"\nkind = "answer"')
    kinds = set()
    for seed in range(12):
        task = instantiate(root, text, seed)
        answers = [check for check in task.checks if check["kind"] == "answer"]
        assert bool(answers) == (task.params["quantity"] > 1)  # type: ignore[operator]
        assert not any("when" in check for check in task.checks)
        kinds.add(len(task.checks))
    assert kinds == {2, 3}


def test_an_instance_that_no_check_applies_to_is_refused(root: Path) -> None:
    with pytest.raises(ContentError, match="seed 5: no check applies"):
        instantiate(root, BUY.replace("[[checks]]", '[[checks]]\nwhen = "quantity > `9`"'))


def test_a_list_in_a_path_allows_each_of_its_items(root: Path) -> None:
    skus = "[params.skus]\nvalue = \"select(variants, 'product_id', product.key)[].key\"\n\n[start]"
    text = BUY.replace("[start]", skus).replace("variants/{variant.key}/stock", "variants/{skus}/stock")
    task = instantiate(root, text)
    number = task.params["product"]["key"]  # type: ignore[call-overload,index]
    assert task.checks[1]["except"] == [f"variants/v{number}-L/stock", f"variants/v{number}-S/stock", "+orders/*"]


@pytest.mark.parametrize("key", ["a/b", "{x}", "{{", "~1"])
def test_a_list_of_awkward_keys_names_each_of_them(root: Path, key: str) -> None:
    names = f"[params.names]\nchoices = [[{json.dumps(key)}]]\n\n[start]"
    if "{" in key:
        names = names.replace("{", "{{").replace("}", "}}")
    text = BUY.replace("[start]", names).replace("+orders/*", "+orders/{names}")
    path = instantiate(root, text).checks[1]["except"][1]
    assert split_path(path.removeprefix("+")) == ["orders", key]


def test_seeds_give_different_instances_and_phrasings() -> None:
    template = find_template("mini", "buy")
    tasks = [template.instantiate(seed, VIEW) for seed in range(60)]
    assert len({json.dumps(task.params, sort_keys=True) for task in tasks}) > 20
    assert len({task.goal[:4] for task in tasks}) == 2
    shelf = Counter(task.params["product"]["key"] for task in tasks)  # type: ignore[call-overload,index]
    assert set(shelf) == {"1", "3", "5", "7", "9", "11"}


def test_the_order_of_a_view_does_not_matter() -> None:
    template = find_template("mini", "buy")
    backwards = {name: dict(reversed(list(table.items()))) for name, table in reversed(list(VIEW.items()))}
    for seed in range(10):
        assert template.instantiate(seed, VIEW) == template.instantiate(seed, backwards)


def test_a_new_process_gives_the_same_instance(root: Path) -> None:
    view = root / "view.json"
    view.write_text(json.dumps(VIEW))
    code = (
        "import json, sys; from envsim.task_template import find_template;"
        "t = find_template('mini', 'buy');"
        "print(*[t.instantiate(s, json.load(open(sys.argv[1]))).model_dump_json() for s in range(5)], sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(view)], capture_output=True, text=True, check=True)
    template = find_template("mini", "buy")
    assert done.stdout.splitlines() == [template.instantiate(seed, VIEW).model_dump_json() for seed in range(5)]


def test_a_new_parameter_leaves_the_others_alone(root: Path) -> None:
    before = find_template("mini", "buy").instantiate(3, VIEW)
    text = BUY.replace("[params.product]", '[params.colour]\nchoices = ["red", "blue"]\n\n[params.product]')
    (root / "tasks/mini/buy.toml").write_text(text)
    after = find_template("mini", "buy").instantiate(3, VIEW)
    assert after.params["colour"] in ("red", "blue")
    assert {key: after.params[key] for key in before.params} == before.params


def test_lists_and_samples(root: Path) -> None:
    text = BUY + (
        '\n[params.all_odd]\nfrom = "products"\nwhere = "row.shelf == `1`"\nall = true\n'
        '[params.two]\nfrom = "products"\nsample = 2\n[params.word]\nchoices = ["{product.name}!"]\n'
    )
    (root / "tasks/mini/buy.toml").write_text(text)
    params: dict[str, Any] = find_template("mini", "buy").instantiate(0, VIEW).params
    assert [row["key"] for row in params["all_odd"]] == ["1", "3", "5", "7", "9", "11"]
    assert len({row["key"] for row in params["two"]}) == 2
    assert params["word"] == f"{params['product']['name']}!"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('split = "train"', 'split = "dev"', "split"),
        ('title = "Buy some"', 'title = "Buy some"\ncolour = "red"', "colour: Extra inputs"),
        ('id = "buy"', 'id = "sell"', "id: must be 'buy'"),
        ('app = "mini"', 'app = "shop"', "app: must be 'mini'"),
        ("max_steps = 9", "max_steps = 0", "max_steps"),
        ('kind = "answer"', 'kind = "reply"', r"checks\[2\]"),
        ("count = 0", "count = 0\neq = 1", r"checks\[0\]: .*exactly one of"),
        ("{variant.label}).", "{colour}).", "{colour} names no parameter; there are: customer, product"),
        ("{variant.label}).", "{variant.label).", "stray"),
        ("[params.total]", '[params.message]\nvalue = "total"\n\n[params.total]', "'message' is what an oracle"),
        ("'buy(sku", "'buy(", r"oracle\[0\]"),
        ("range = [1, 3]", "range = [3, 1]", "params.quantity: .*range is empty"),
        ("range = [1, 3]", 'range = [1, 3]\nfrom = "products"', "exactly one of from, choices, range, value"),
        ("range = [1, 3]", 'range = [1, 3]\nwhere = "a"', "where, all and sample go with from"),
        ('from = "customers"', 'from = "customers["', "params.customer: .*JMESPath"),
        ("setup = ['empty_cart(", "setup = ['empty_cart", "start"),
        ('kind = "answer"', 'when = 5\nkind = "answer"', r"checks\[2\]: key 'when': 5 is not a query"),
        ('kind = "answer"', 'when = "a["\nkind = "answer"', r"checks\[2\]: 'a\[' is not a JMESPath expression"),
        ("[start]", "[start", "not valid TOML"),
    ],
)
def test_a_bad_file_is_named_with_its_key(root: Path, old: str, new: str, message: str) -> None:
    assert old in BUY
    path = root / "tasks/mini/buy.toml"
    path.write_text(BUY.replace(old, new))
    with pytest.raises(ContentError, match=message) as caught:
        load_template(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parameters_that_cannot_be_drawn_say_which() -> None:
    template = find_template("mini", "buy")
    with pytest.raises(ContentError, match="seed 4: 200 draws gave no value for 'variant'"):
        template.instantiate(4, {**VIEW, "variants": {}})
    with pytest.raises(ContentError, match="hides a collection"):
        template.instantiate(4, {**VIEW, "product": {}})


def test_dependent_draws_are_repeated_until_they_fit() -> None:
    one = {"v9-S": VIEW["variants"]["v9-S"]}
    template = find_template("mini", "buy")
    assert all(
        template.instantiate(seed, {**VIEW, "variants": one}).params["product"]["key"] == "9"  # type: ignore[call-overload,index]
        for seed in range(10)
    )


def test_selection_by_split_interface_and_instance() -> None:
    assert [t.id for t in load_tasks("mini")] == ["buy", "other"]
    assert [t.id for t in load_tasks("mini", "test")] == ["other"]
    assert [t.id for t in load_tasks("mini", interface="tools")] == ["buy"]
    templates, seed = select_templates("mini", task="buy@-7")
    assert ([t.id for t in templates], seed) == (["buy"], -7)
    assert select_templates("mini", task="buy")[1] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "nope"}, "no task 'nope'. Its tasks are: buy, other"),
        ({"task": "buy@x"}, "Write <template>@<seed>"),
        ({"task": "buy", "interface": "browser"}, "interface 'tools', not 'browser'"),
        ({"task": "buy", "split": "test"}, "split 'train', not 'test'"),
        ({"split": "dev"}, "There is no split 'dev'. Use 'train' or 'test'"),
        ({"split": "train", "interface": "browser"}, "mini has no train browser tasks"),
    ],
)
def test_what_there_is_not_is_said(options: dict[str, str], message: str) -> None:
    with pytest.raises(ContentError) as caught:
        select_templates("mini", **options)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_an_unknown_app_is_said() -> None:
    with pytest.raises(ContentError, match="There is no app 'nope'"):
        load_tasks("nope")
