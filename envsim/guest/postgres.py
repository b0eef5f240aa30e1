"""A PostgreSQL server of a sandbox's own, and the store that puts its database back.

The cluster lies in the app's data folder and answers on a unix socket beside it, never by TCP. A reset drops the
database and makes it again from a template, which PostgreSQL does by copying files: 20 to 30 ms for a small one,
whatever the episode did. Durability is off: nothing here outlives the sandbox.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from envsim.errors import ContentError, SandboxError
from envsim.guest.postgres_wire import PostgresConnection, PostgresError

USER = "app"
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
SELECT n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
       array_to_string(ARRAY(SELECT quote_ident(a.attname) FROM pg_attribute a
                             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                             ORDER BY a.attnum), ', ')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1, 2"""

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
            'This app keeps its state in PostgreSQL, which is not installed where it runs. Add packages = ["postgresql"] '
            "to its sandbox.toml and use the docker runtime."
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
        self._log = data / f"{SOCKETS}.log"
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

    def connect(self, database: str = "postgres") -> PostgresConnection:
        """A connection to one of its databases."""
        return PostgresConnection(self.data / SOCKETS, USER, database)

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
        command = [str(self._programs / "initdb"), "-D", str(self.data / CLUSTER), "-U", USER, "--auth=trust"]
        command += ["--no-sync", "--locale=C.UTF-8", "--encoding=UTF8", "--wal-segsize=1", "--no-instructions"]
        result = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        if result.returncode:
            said = " ".join((result.stderr or result.stdout).split())[-400:]
            raise SandboxError(f"PostgreSQL's initdb failed: {said} See that the data folder is large enough, and ours.")

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


class PostgresStore:
    """See `envsim.guest.store.Store`: one database, reset from a template.

    Args:
        server: A running server.

    Raises:
        SandboxError: Its cluster holds no database of the app's.
    """

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._admin = server.connect()
        self._live: PostgresConnection | None = None
        self._snapshots: list[str] = []
        if not self._exists(TEMPLATE):
            if not self._exists(DATABASE):
                raise SandboxError(f"The seed made no database {DATABASE!r}. Let it create its tables in $PGDATABASE.")
            # What the seed left is what every reset starts from.
            self._hang_up()
            self._admin.query(f"ALTER DATABASE {DATABASE} RENAME TO {TEMPLATE}")
        self.reset()

    def reset(self) -> None:
        """Back to the seed: the app's connections are ended, and find the new database when they are made again."""
        for name in self._snapshots:
            self._drop(name)
        self._snapshots = []
        self._copy(TEMPLATE, DATABASE)

    def keep(self) -> str:
        """Keep the database as it is until the next reset; what `back` takes."""
        name = f"envsim_s{len(self._snapshots)}"
        self._copy(DATABASE, name)
        self._snapshots.append(name)
        return name

    def back(self, name: str) -> None:
        """Return to what `keep` kept."""
        self._copy(name, DATABASE)

    def dump(self) -> dict[str, bytes]:
        """The rows of every table and the state of every sequence, in PostgreSQL's own text form."""
        live = self._connection()
        parts = {
            f"table {name}": live.copy_out(f"COPY (SELECT {columns or ''} FROM {name}) TO STDOUT")
            for _, _, name, columns in live.query(_TABLES)[1]
        }
        for (name,) in live.query(_SEQUENCES)[1]:
            parts[f"sequence {name}"] = live.copy_out(f"COPY (SELECT last_value, is_called FROM {name}) TO STDOUT")
        return parts

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Replace everything by what `dump` returned, in a sandbox of the same spec.

        Raises:
            ContentError: Tables or sequences are not those of this app's seed.
        """
        self.reset()
        live = self._connection()
        tables = {f"table {name}": (name, columns) for _, _, name, columns in live.query(_TABLES)[1]}
        sequences = {f"sequence {name}": name for (name,) in live.query(_SEQUENCES)[1]}
        if other := sorted(parts.keys() ^ (tables.keys() | sequences.keys())):
            raise ContentError(f"This state has other tables than the app: {other[0]}. Load it where it was saved.")
        # Triggers and foreign keys did their work when the rows were first written.
        live.query("BEGIN; SET LOCAL session_replication_role = replica")
        try:
            if tables:
                live.query(f"TRUNCATE {', '.join(name for name, _ in tables.values())}")
            for part, (name, columns) in tables.items():
                live.copy_in(f"COPY {name} ({columns}) FROM STDIN", parts[part])
            for part, name in sequences.items():
                value, called = parts[part].decode().split()
                live.query(f"SELECT setval('{name}', {int(value)}, {'true' if called == 't' else 'false'})")
            live.query("COMMIT")
        except PostgresError as error:
            live.query("ROLLBACK")
            raise ContentError(f"This state cannot be loaded: {error}. Load it where it was saved.") from None

    def digest(self) -> str:
        """SHA-256 (hex) over every row of every table, whatever their order on disk, and every sequence."""
        live = self._connection()
        digest = hashlib.sha256()
        for _, _, name, columns in live.query(_TABLES)[1]:
            hashed = f"SELECT md5(t::text) AS h FROM ONLY {name} t"
            (row,) = live.query(f"SELECT count(*), md5(string_agg(h, '' ORDER BY h)) FROM ({hashed}) s")[1]
            digest.update(f"{name} ({columns}) {row}\n".encode())
        for (name,) in live.query(_SEQUENCES)[1]:
            (row,) = live.query(f"SELECT last_value, is_called FROM {name}")[1]
            digest.update(f"{name} {row}\n".encode())
        return digest.hexdigest()

    def query(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of a SELECT on the database as it is."""
        return self._connection().query(sql)

    def mark(self) -> tuple[Any, ...]:
        """Changes whenever a transaction has written; equal marks mean equal rows."""
        return tuple(self._connection().query("SELECT pg_snapshot_xmax(pg_current_snapshot())")[1][0])

    def close(self) -> None:
        """Hang up and stop the server; safe to call twice."""
        self._hang_up()
        self._admin.close()
        self._server.stop()

    def _connection(self) -> PostgresConnection:
        if self._live is None:
            self._live = self._server.connect(DATABASE)
            # Writes of the state view's own SELECTs would otherwise go unnoticed, and be the episode's.
            self._live.query("SET statement_timeout = '20s'")
        return self._live

    def _hang_up(self) -> None:
        if self._live is not None:
            self._live.close()
            self._live = None

    def _exists(self, name: str) -> bool:
        return bool(self._admin.query(f"SELECT 1 FROM pg_database WHERE datname = '{name}'")[1])

    def _drop(self, name: str) -> None:
        self._admin.query(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _copy(self, source: str, target: str) -> None:
        """Make `target` a copy of `source`, ending whoever is connected to either."""
        self._hang_up()
        with self._nobody_in(source):
            self._drop(target)
            self._admin.query(f"CREATE DATABASE {target} TEMPLATE {source} STRATEGY FILE_COPY")

    @contextlib.contextmanager
    def _nobody_in(self, name: str) -> Iterator[None]:
        """A template must have no connections while it is copied; the app may come back at any moment."""
        self._admin.query(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        try:
            self._admin.query(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'")
            yield
        finally:
            self._admin.query(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
