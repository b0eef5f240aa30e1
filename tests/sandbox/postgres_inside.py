"""Run by test_postgres.py in a process of its own, as a user that PostgreSQL accepts; prints what it found as JSON."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from envsim.errors import ContentError
from envsim.guest.postgres import CLUSTER, DATABASE, PostgresStore, seed_postgres
from envsim.guest.postgres_role import USER
from envsim.guest.postgres_wire import PostgresConnection, PostgresError

SCHEMA = """
CREATE SCHEMA "Odd ""one";
CREATE TABLE "Odd ""one"."T" (id serial PRIMARY KEY, s text, b bool, f float8, n numeric(10,2), j jsonb, t timestamptz,
                              g int GENERATED ALWAYS AS (id + 1) STORED, x text);
INSERT INTO "Odd ""one"."T" (s, b, f, n, j, t)
SELECT E'a\\t\\\\\\n\\u2603', i % 2 = 1, 0.5, 12.3, '{"a":1}', '2026-03-02T09:00Z' FROM generate_series(1, 20) i;
CREATE TABLE child (id int REFERENCES "Odd ""one"."T"(id), note text);
INSERT INTO child SELECT i, NULL FROM generate_series(1, 5) i;
CREATE TABLE empty ();
"""

work, found = Path(sys.argv[1]), {}
seed, data = work / "seed", work / "data"
seed.mkdir()
with seed_postgres(seed) as variables:
    connection = PostgresConnection(Path(variables["PGHOST"]), variables["PGUSER"], variables["PGDATABASE"])
    connection.query(SCHEMA)
    connection.close()
(seed / "files").mkdir()

store = PostgresStore(seed, data)
found["clean"] = store.digest()
found["row"] = store.query('SELECT * FROM "Odd ""one"."T" ORDER BY id LIMIT 1')[1][0]

before = store.mark()
store.query("UPDATE child SET note = 'x' WHERE id = 1")
after = store.mark()
store.query("SELECT count(*) FROM child")
found["marks"] = [before != after, store.mark() != after, store.mark() != after]

app = store._server.connect(DATABASE, USER)
store.query('INSERT INTO "Odd ""one"."T" (s) VALUES (NULL)')
store.query("CREATE INDEX ON child (note)")
(data / "files" / "a.txt").write_text("new")
found["dirty"] = store.digest()
state = store.dump()
store.reset()
found["reset"] = store.digest()
try:
    app.query("SELECT 1")
    found["old connection"] = "answers"
except (OSError, PostgresError):
    found["old connection"] = "gone"
app.close()

other = store._server.connect(DATABASE, USER)
found["refused to the app"] = []
for statement in ("CREATE ROLE other", "CREATE DATABASE other", "CREATE TABLESPACE t LOCATION '/tmp'",
                  "COPY child TO '/tmp/x'", "COPY child TO PROGRAM 'true'", "ALTER SYSTEM SET work_mem = '1MB'",
                  "ALTER ROLE app SUPERUSER"):  # fmt: skip
    try:
        other.query(statement)
    except PostgresError as error:
        found["refused to the app"].append(error.code)
for database in ("postgres", "template1", "envsim_seed"):
    try:
        store._server.connect(database, USER).close()
    except PostgresError as error:
        found["refused to the app"].append(error.code)
other.query(f"ALTER DATABASE {DATABASE} IS_TEMPLATE true")
other.query("CREATE EXTENSION citext")  # as the owner of its database
other.query("ALTER ROLE app SET search_path = mine, public; ALTER ROLE app PASSWORD 'x'; CREATE SCHEMA mine")
other.query("CREATE TABLE mine.child AS SELECT 'of its own schema' AS note")
found["role"] = store.digest()
store._hang_up()
found["as the app sees it"] = store.query("SELECT note FROM child")[1]
store.query("DROP SCHEMA mine CASCADE; DROP EXTENSION citext")
with_role = store.dump()
other.close()
store.reset()
found["reset after the role"] = [store.digest(), store.query("SHOW search_path")[1][0][0]]
store.load(with_role)
found["loaded role"] = store.query("SHOW search_path")[1][0][0]
try:
    store.load({**with_role, "role": b'[null, "{"]'})
except ContentError as error:
    found["no role"] = str(error)

store.load(state)
found["loaded"] = store.digest()
found["loaded file"] = (data / "files" / "a.txt").read_text()
found["next id"] = store.query("""INSERT INTO "Odd ""one"."T" (s) VALUES ('') RETURNING id""")[1][0][0]
store.reset()
found["reset again"] = store.digest()

try:
    store.load({**state, "table public.more": b""})
except ContentError as error:
    found["refused"] = str(error)
try:
    store.query("SELECT nope")
except PostgresError as error:
    found["error"] = [error.code, str(error)]
found["after the error"] = store.query("SELECT 1")[1]

os.kill(int((data / CLUSTER / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
while store._server.alive():
    time.sleep(0.01)
time.sleep(0.3)  # its own processes see it and end
store.reset()
found["after kill"] = store.digest()

store.query("SELECT lo_create(0)")
try:
    store.dump()
except ContentError as error:
    found["large"] = str(error)
store.close()
store.close()
print(json.dumps(found))
