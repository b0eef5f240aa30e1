"""A real app on PostgreSQL in a container: django-helpdesk, unmodified."""

from __future__ import annotations

import pytest

from envsim.page.transport import Request, Response
from envsim.sandbox.docker import DockerRuntime, DockerSandbox
from envsim.sandbox.runtime import ResetRequest
from envsim.sandbox.spec import find_spec

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(400)]

SIGNED_IN = ResetRequest(seed=3, login="ruth")


INSIDE = """
from pathlib import Path
from envsim.guest.postgres_wire import PostgresConnection
app = PostgresConnection(Path("/state/postgres-run"), "app", "app")
print(app.query("SELECT usesuper FROM pg_user WHERE usename = 'app'")[1][0][0] and "on" or "off")
app.query("SET jit = on; SET jit_above_cost = 0")
print(app.query("SELECT sum(i * 1.0)::int FROM generate_series(1, 100) i")[1][0][0])
print(app.query("SELECT count(*) FROM helpdesk_ticket")[1][0][0])
"""


def send(sandbox: DockerSandbox, target: str, cookies: dict[str, str]) -> Response:
    headers = (("cookie", "; ".join(f"{name}={value}" for name, value in cookies.items())),)
    transport = sandbox.transport()
    try:
        return transport.send(Request("GET", target, headers))
    finally:
        transport.close()


def hold(sandbox: DockerSandbox, cookies: dict[str, str]) -> None:
    """Put the first ticket on hold, as staff does; the app writes a follow-up too."""
    assert send(sandbox, "/tickets/1/hold/", cookies).status == 302


def test_an_unmodified_app_on_postgresql_is_a_sandbox(user_root: object) -> None:
    spec = find_spec("helpdesk")
    assert spec.hosted is not None
    # Its own start would be most of the time here; what a restart gives is held by test_command.
    spec = spec.model_copy(update={"hosted": spec.hosted.model_copy(update={"restart": False})})
    sandbox = DockerRuntime().start(spec)
    try:
        control = sandbox.control
        cookies = control.reset(SIGNED_IN)
        assert "Parcel says delivered" in send(sandbox, "/tickets/1/", cookies).body.decode()
        view, clean = control.state(), control.seed_view()
        assert len(clean["tickets"]) == 12
        assert clean["tickets"]["1"]["assigned_to"] == "ruth"
        # Rows that the database itself dates carry the sandbox's time.
        assert dict(send(sandbox, "/", cookies).headers)["date"] == "Mon, 02 Mar 2026 09:00:14 GMT"

        hold(sandbox, cookies)
        changed = {path for path, *_ in control.changes()["delta"]}
        assert "tickets/1/on_hold" in changed
        assert any(path.startswith("followups/") for path in changed)
        saved, middle, exported = control.snapshot(), control.hash(), control.export()

        send(sandbox, "/tickets/submit/", cookies)
        control.restore(saved)
        assert control.hash() == middle
        control.reset(ResetRequest(seed=3))
        assert (control.state(), control.seed_view()) == (view, clean)
        assert control.hash() == seeded_hash(sandbox)
        control.load(exported)
        assert control.hash() == middle
        # The compiler for queries is not in the image, and whoever asks for it goes without.
        result = sandbox.container.exec_run(["python3", "-c", INSIDE])
        assert result.output.decode().split() == ["off", "5050", "12"], result.output
        assert "Ticket placed on hold" in send(sandbox, "/tickets/1/", cookies).body.decode()
    finally:
        sandbox.close()


def seeded_hash(sandbox: DockerSandbox) -> str:
    """The hash after a reset that nothing came before, in effect: of another seed in between."""
    sandbox.control.reset(ResetRequest(seed=4))
    sandbox.control.reset(ResetRequest(seed=3))
    return sandbox.control.hash()
