"""The Dockerfile of an app that brings none: one text put together from what its sandbox.toml says.

The build context, made by `envsim.sandbox.image`, holds ``wheels/``, ``requirements.txt``, ``guest/``, ``app/`` (the
app's folder) and, for packages, ``debs/``; the build runs without network. A Dockerfile in the app's folder stands in
place of this one, for an app that needs something else.
"""

from __future__ import annotations

from envsim.sandbox.bundle import CLOSED, all_requirements
from envsim.sandbox.spec import SandboxSpec

_VENV = """\
FROM $BASE AS build
COPY wheels /wheels
COPY requirements.txt /
# With a pip from outside it, the environment holds what the requirements name and nothing else. Of translations the
# compiled form is read, and the sources are as large again.
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/venv \\
    && /opt/pip/bin/pip --python /opt/venv/bin/python3 install --quiet --no-index @OPTIONS@ -r /requirements.txt \\
    && find /opt/venv -name '*.mo' -exec sh -c 'for mo; do rm -f "${mo%.mo}.po"; done' sh {} +
"""

_LIBRARIES = """\
FROM $BASE AS build
USER 0
COPY wheels /wheels
# Whatever Python the image has may have no pip, and its own packages are none of ours.
RUN mkdir /opt/lib && for wheel in /wheels/*.whl; do python3 -m zipfile -e "$wheel" /opt/lib; done
"""

_DEBS = """\
FROM $BASE AS debs
USER 0
COPY debs /debs
RUN sh /debs/install.sh /diff
"""

_ON_VENV = """\
FROM $BASE
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/guest PYTHONHASHSEED=0 LANG=C.UTF-8 TZ=UTC
COPY --from=build /opt/venv /opt/venv
"""

_ON_LIBRARIES = """\
FROM $BASE
USER 0
ENV PYTHONPATH=/opt/guest:/opt/lib PYTHONHASHSEED=0 LANG=C.UTF-8 TZ=UTC
COPY --from=build /opt/lib /opt/lib
RUN command -v python || ln -s "$(command -v python3)" /usr/local/bin/python
"""

_GUEST = """\
COPY guest /opt/guest
COPY app /opt/app
"""

_SEED = """\
RUN python3 -m compileall -q /opt/guest /opt/app \\
    && python3 -m envsim.guest.supervisor --build-seed \\
        --spec /opt/guest/guest.json --folder /opt/app --seed-db @SEED@
"""

_SEED_OF_COMMAND = """\
# The app and its database run as this user, and some programs want it to have a name.
RUN grep -q '^[^:]*:[^:]*:1000:' /etc/passwd || echo 'app:x:1000:1000::/tmp:/bin/sh' >> /etc/passwd
# Nothing stays in the data folder, whose place a file system in memory takes: the seed is a copy.
RUN mkdir -p @DATA@ /opt/seed && chown -R 1000:1000 @DATA@ /opt/seed && python3 -m compileall -q /opt/guest /opt/app \\
    && python3 -m envsim.guest.supervisor --build-seed --spec /opt/guest/guest.json --folder /opt/app \\
        --seed-db @SEED@ --data @DATA@ --as 1000 \\
    && find @DATA@ -mindepth 1 -delete
"""

_START = """\
USER 1000:1000
ENTRYPOINT ["python3", "-m", "envsim.guest.supervisor", "--spec", "/opt/guest/guest.json", \\
    "--folder", "/opt/app", "--seed-db", "@SEED@", "--directory", "/run/envsim"]
"""


def dockerfile(spec: SandboxSpec) -> str:
    """The text for what `spec` runs: a clone on the kit, a hosted app, or a command, on our base or in an image."""
    spec = spec.origin
    command = spec.hosted is not None and spec.hosted.kind == "command"
    own = spec.image is not None
    parts = [
        f"# Made by envsim for {spec.name}; see `sandbox dockerfile`.\nARG BASE\n",
        _LIBRARIES if own else _VENV,
        *([_DEBS] if spec.packages else []),
        (_ON_LIBRARIES if own else _ON_VENV)
        + ("COPY --from=debs /diff /\n" if spec.packages else "")
        + _GUEST
        + (_SEED_OF_COMMAND if command else _SEED)
        + _START,
    ]
    # Filled in by name: the text has braces and dollars of its own.
    text = "\n".join(parts).replace("@OPTIONS@", _options(spec)).replace("@SEED@", _seed(spec))
    return text.replace("@DATA@", spec.hosted.data if spec.hosted is not None else "")


def _options(spec: SandboxSpec) -> str:
    closed = all_requirements(spec)[0] == CLOSED
    return "--no-deps --find-links /wheels" if closed else "--find-links /wheels"


def _seed(spec: SandboxSpec) -> str:
    """Where the seed lies: a database, a data folder, or one in a folder that the app's own user may write to."""
    if spec.hosted is None:
        return "/opt/seed.db"
    return "/opt/seed" if spec.hosted.kind == "wsgi" else "/opt/seed/data"
