"""A PostgreSQL server of a sandbox's own, and the store that puts its database back.

The cluster lies in the app's data folder and answers on a unix socket beside it, never by TCP. A reset drops the
database and makes it again from a template, which PostgreSQL does by copying files: 20 to 30 ms for a small one,
whatever the episode did. Durability is off: nothing here outlives the sandbox.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

# ruff: noqa: S608 -- every name in a statement is ours, or comes quoted from the server's own catalogue

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from envsim.errors import ContentError, SandboxError
from envsim.guest.folder import Folder
from envsim.guest.postgres_role import ADMIN, USER, Role, find_role, put_role, quoted, read_role
from envsim.guest.postgres_wire import PostgresConnection, PostgresError

DATABASE = "app"
TEMPLATE = "envsim_seed"
CLUSTER = "postgres"
SOCKETS = "postgres-run"
READY_S = 30.0
STOP_S = 10.0
POLL_S = 0.005

SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "32MB",
    "min_wal_size": "2MB",
    "shared_buffers": "16MB",
    "max_connections": "40",
    # What runs by itself would make one episode differ from the next.
    "autovacuum": "off",
    "jit": "off",
    "max_parallel_workers": "0",
    "max_logical_replication_workers": "0",
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
}

_TABLES = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname),
       array_to_string(ARRAY(SELECT quote_ident(a.attname) FROM pg_attribute a
                             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                             ORDER BY a.attnum), ', ')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname"""

_SEQUENCES = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1"""


def find_programs() -> Path:
    """The folder of PostgreSQL's own programs, the newest where there are several.

    Raises:
        ContentError: There are none.
    """
    beside = shutil.which("postgres")
    found = [Path(beside).resolve().parent] if beside else []
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "postgres").is_file()]
    found += sorted(versions, key=lambda path: (len(path.parent.name), path.parent.name), reverse=True)
    if not found:
        raise ContentError(
            "This app keeps its state in PostgreSQL, which is not installed where it runs. "
            'Add packages = ["postgresql"] to its sandbox.toml and use the docker runtime.'
        )
    return found[0]


def client_environment(data: Path) -> dict[str, str]:
    """What tells libpq, and every driver built on it or like it, where the database is."""
    folder = str(data / SOCKETS)
    return {
        "PGHOST": folder,
        "PGUSER": USER,
        "PGDATABASE": DATABASE,
        "DATABASE_URL": f"postgresql://{USER}@/{DATABASE}?host={folder}",
    }


class PostgresServer:
    """A server over the cluster below `data`, made if it is not there yet.

    Args:
        data: The app's data folder.
        environment: Variables beyond our own, e.g. of a clock that is not the machine's.

    Raises:
        ContentError: PostgreSQL is not installed, or we are root, as which it refuses to run.
        SandboxError: It does not start; carries the end of what it said.
    """

    def __init__(self, data: Path, environment: Mapping[str, str] | None = None) -> None:
        if os.geteuid() == 0:
            raise ContentError("PostgreSQL does not run as root. Use the docker runtime, or another user.")
        self.data = data
        self._programs = find_programs()
        self._environment = {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", **(environment or {})}
        self._log = data / CLUSTER / "envsim.log"
        self._process: subprocess.Popen[bytes] | None = None
        if not (data / CLUSTER / "PG_VERSION").is_file():
            self._initialise()
        self.start()

    def start(self) -> None:
        """Start it and wait until it takes connections; nothing if it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        cluster, sockets = self.data / CLUSTER, self.data / SOCKETS
        sockets.mkdir(mode=0o700, exist_ok=True)
        cluster.chmod(0o700)  # it refuses a folder that others may look into, as one copied from an image is
        (cluster / "postmaster.pid").unlink(missing_ok=True)
        settings = SETTINGS | {"unix_socket_directories": str(sockets)}
        command = [str(self._programs / "postgres"), "-D", str(cluster)]
        command += [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._wait()

    def connect(self, database: str = "postgres", user: str = ADMIN) -> PostgresConnection:
        """A connection to one of its databases."""
        return PostgresConnection(self.data / SOCKETS, user, database)

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it in order, so that its files can be copied; safe to call twice."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(2)  # SIGINT: "fast shutdown", which waits for no client
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _initialise(self) -> None:
        command = [str(self._programs / "initdb"), "-D", str(self.data / CLUSTER), "-U", ADMIN, "--auth=trust"]
        command += ["--no-sync", "--locale=C.UTF-8", "--encoding=UTF8", "--wal-segsize=1", "--no-instructions"]
        result = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        if result.returncode:
            said = " ".join((result.stderr or result.stdout).split())[-400:]
            raise SandboxError(f"PostgreSQL's initdb failed: {said} See that the data folder is large enough.")

    def _wait(self) -> None:
        end = time.monotonic() + READY_S
        while True:
            process = self._process
            if process is None or process.poll() is not None or time.monotonic() > end:
                self.stop()
                said = " ".join(self._log.read_text(encoding="utf-8", errors="replace").split())[-400:]
                raise SandboxError(f"PostgreSQL did not start: {said or 'it said nothing.'}")
            try:
                self.connect().close()
            except (OSError, PostgresError):
                time.sleep(POLL_S)
            else:
                return


@contextlib.contextmanager
def seed_postgres(data: Path, environment: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """A server below `data` for a seed entry to fill its database; what it leaves becomes the template.

    Yields:
        The variables by which the entry, and what it starts, find the database.

    Raises:
        ContentError: No table was made, or PostgreSQL is not to be had.
    """
    server = PostgresServer(data, environment)
    try:
        admin = server.connect()
        # Nothing but its own database is the app's: what it left in another, no reset would undo.
        admin.query("REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC")
        admin.query(f"CREATE ROLE {USER} LOGIN")
        admin.query(f"CREATE DATABASE {DATABASE} OWNER {USER}")
        yield client_environment(data)
        live = server.connect(DATABASE)
        if not live.query(_TABLES)[1]:
            raise ContentError(f"The seed entry made no table in the database {DATABASE!r} ($PGDATABASE at $PGHOST).")
        live.query("VACUUM (FREEZE, ANALYZE)")
        live.close()
        # Nobody enters it again, as a template must have no connections while it is copied.
        admin.query(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS false")
        ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        admin.query(f"{ended} WHERE datname = '{DATABASE}'")
        admin.query(f"ALTER DATABASE {DATABASE} RENAME TO {TEMPLATE}")
        admin.query(f"ALTER DATABASE {TEMPLATE} OWNER TO {ADMIN}")
        admin.close()
    finally:
        server.stop()
        shutil.rmtree(data / SOCKETS, ignore_errors=True)


class PostgresStore:
    """See `envsim.guest.store.Store`: one database, reset from a template, and the files beside it.

    Args:
        seed: What `seed_postgres` left, and files.
        data: Where the app works.
        environment: Variables of the server, e.g. of a clock that is not the machine's.

    Raises:
        SandboxError: The server does not start.
    """

    def __init__(self, seed: Path, data: Path, environment: Mapping[str, str] | None = None) -> None:
        self._folder = Folder(seed, data, [CLUSTER, SOCKETS])
        self._folder.reset()
        shutil.rmtree(data / CLUSTER, ignore_errors=True)
        shutil.copytree(seed / CLUSTER, data / CLUSTER)
        self._server = PostgresServer(data, environment)
        self._admin = self._server.connect()
        self._live: dict[str, PostgresConnection] = {}
        self._role = self._find_role()
        self.reset()

    def reset(self) -> None:
        """See `Store.reset`. The app's connections are ended; it finds the new database when it connects again."""
        self._folder.reset()
        self._renew()

    def dump(self) -> dict[str, bytes]:
        """See `Store.dump`: rows of tables and states of sequences in PostgreSQL's text form, and files.

        Raises:
            ContentError: There are large objects, which are not rows of a table.
        """
        live = self._connection(ADMIN)
        if live.query("SELECT 1 FROM pg_largeobject_metadata LIMIT 1")[1]:
            raise ContentError("This app keeps large objects in PostgreSQL: its state can be reset, not taken out.")
        parts = {
            f"table {name}": live.copy_out(f"COPY (SELECT {columns} FROM {name}) TO STDOUT")
            for name, columns in live.query(_TABLES)[1]
        }
        for (name,) in live.query(_SEQUENCES)[1]:
            parts[f"sequence {name}"] = live.copy_out(f"COPY (SELECT last_value, is_called FROM {name}) TO STDOUT")
        if (role := self._find_role()) != self._role:
            parts["role"] = json.dumps(role).encode()
        return parts | self._folder.dump()

    def load(self, parts: Mapping[str, bytes]) -> None:
        """See `Store.load`.

        Raises:
            ContentError: Tables or sequences are not those of this app's seed.
        """
        self._renew(read_role(parts["role"]) if "role" in parts else None)
        rows = {name: part for name, part in parts.items() if name.startswith(("table ", "sequence "))}
        self._folder.load({name: part for name, part in parts.items() if name not in rows and name != "role"})
        live = self._connection(ADMIN)
        tables = {f"table {name}": (name, columns) for name, columns in live.query(_TABLES)[1]}
        sequences = {f"sequence {name}": name for (name,) in live.query(_SEQUENCES)[1]}
        if other := sorted(rows.keys() ^ (tables.keys() | sequences.keys())):
            raise ContentError(f"This state has other tables than the app: {other[0]}. Load it where it was saved.")
        # Triggers and foreign keys did their work when the rows were first written.
        live.query("BEGIN; SET LOCAL session_replication_role = replica")
        try:
            if tables:
                live.query(f"TRUNCATE {', '.join(name for name, _ in tables.values())}")
            for part, (name, columns) in tables.items():
                live.copy_in(f"COPY {name} {f'({columns})' if columns else ''} FROM STDIN", rows[part])
            for part, name in sequences.items():
                value, called = rows[part].decode().split()
                live.query(f"SELECT setval({quoted(name)}, {int(value)}, {'true' if called == 't' else 'false'})")
            live.query("COMMIT")
        except PostgresError as error:
            live.query("ROLLBACK")
            raise ContentError(f"This state cannot be loaded: {error}. Load it where it was saved.") from None

    def digest(self) -> str:
        """See `Store.digest`. The order of rows on disk does not count."""
        live = self._connection(ADMIN)
        digest = hashlib.sha256()
        if (role := self._find_role()) != self._role:
            digest.update(json.dumps(role).encode())
        for name, columns in live.query(_TABLES)[1]:
            hashed = f"SELECT md5(t::text) AS h FROM ONLY {name} t"
            (row,) = live.query(f"SELECT count(*), md5(string_agg(h, '' ORDER BY h)) FROM ({hashed}) s")[1]
            digest.update(f"{name} ({columns}) {row}\n".encode())
        for (name,) in live.query(_SEQUENCES)[1]:
            (row,) = live.query(f"SELECT last_value, is_called FROM {name}")[1]
            digest.update(f"{name} {row}\n".encode())
        self._folder.add_to(digest)
        return digest.hexdigest()

    def query(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """See `Store.query`."""
        return self._connection().query(sql)

    def mark(self) -> int:
        """See `Store.mark`: the number of the next transaction that writes."""
        return int(self._connection().query("SELECT pg_snapshot_xmax(pg_current_snapshot())")[1][0][0])

    def settle(self, moment: float) -> None:
        """See `Store.settle`."""
        self._folder.settle(moment)

    def close(self) -> None:
        """See `Store.close`."""
        self._hang_up()
        self._admin.close()
        self._server.stop()

    def _connection(self, user: str = USER) -> PostgresConnection:
        """To the app's database: as the app, whose search path and rights the state view has, or as who has all."""
        if user not in self._live:
            self._live[user] = self._server.connect(DATABASE, user)
        return self._live[user]

    def _hang_up(self) -> None:
        while self._live:
            self._live.popitem()[1].close()

    def _revive(self) -> None:
        """Have a server and a connection to it, whatever became of them in the episode."""
        self._server.start()
        try:
            self._admin.query("SELECT 1")
        except OSError:
            self._admin.close()
            self._admin = self._server.connect()

    def _renew(self, role: Role | None = None) -> None:
        """Make the database the seed's, ending whoever is connected, and the app's role what it was, or `role`."""
        self._hang_up()
        self._revive()
        # Its owner may have made a template of it, which cannot be dropped.
        self._admin.query(
            f"UPDATE pg_database SET datistemplate = false WHERE datname = '{DATABASE}' AND datistemplate"
        )
        self._admin.query(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        self._admin.query(f"CREATE DATABASE {DATABASE} OWNER {USER} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        put_role(self._admin, self._role if role is None else role)

    def _find_role(self) -> Role:
        self._revive()
        return find_role(self._admin)
