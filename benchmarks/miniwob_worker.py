"""Times BrowserGym's MiniWoB; run by `sandboxes_speed.py` in an environment of its own, without envsim.

    python miniwob_worker.py CHROMIUM EPISODES

Prints JSON: the seconds of each reset and step, for BrowserGym as it comes (it waits 100 ms with every action and 500
before every observation) and with both waits off. Every episode clicks the one button of click-test.
"""

from __future__ import annotations

import functools
import http.server
import importlib.util
import json
import os
import sys
import threading
import time
from pathlib import Path


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def serve() -> str:
    """The pages of MiniWoB on loopback; the address of their folder."""
    found = importlib.util.find_spec("miniwob")
    folder = Path(str(found.origin)).parent / "html"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/miniwob/"


def measure(chromium: str, episodes: int, **options: object) -> dict[str, list[float]]:
    # After the address is known: BrowserGym reads it when it is imported.
    import browsergym.miniwob  # noqa: F401, PLC0415
    import gymnasium  # noqa: PLC0415
    import playwright.sync_api  # noqa: PLC0415

    # BrowserGym starts two browsers and lets only one of them be chosen.
    launch = playwright.sync_api.BrowserType.launch
    playwright.sync_api.BrowserType.launch = lambda self, **given: launch(
        self, **{**given, "executable_path": chromium}
    )
    env = gymnasium.make("browsergym/miniwob.click-test", **options)
    resets, steps = [], []
    try:
        env.reset(seed=0)  # starts the browser
        for seed in range(episodes):
            start = time.perf_counter()
            observation, _ = env.reset(seed=seed)
            resets.append(time.perf_counter() - start)
            button = next(
                node["browsergym_id"]
                for node in observation["axtree_object"]["nodes"]
                if node.get("role", {}).get("value") == "button"
            )
            for action in ("noop(0)", f"click('{button}')"):
                start = time.perf_counter()
                _, reward, *_ = env.step(action)
                steps.append(time.perf_counter() - start)
            if reward != 1:
                raise SystemExit(f"click-test was not solved (reward {reward}): these are no timings of MiniWoB.")
    finally:
        env.close()
    return {"reset": resets, "step": steps}


if __name__ == "__main__":
    os.environ["MINIWOB_URL"] = serve()
    path, count = sys.argv[1], int(sys.argv[2])
    unhurried = measure(path, count)
    print(json.dumps({"shipped": unhurried, "no_waits": measure(path, count, slow_mo=0, pre_observation_delay=0)}))
