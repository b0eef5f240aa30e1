"""What `sandbox new` writes: a sandbox.toml, a seed, a Dockerfile and a README that say what is still to do."""

from __future__ import annotations

_DEBS = """\
FROM $BASE AS debs
USER 0
COPY debs /debs
RUN sh /debs/install.sh /diff
"""

_LAST = """\
COPY --from=debs /diff /
COPY guest /opt/guest
COPY app /opt/app
# The app and its database run as this user, and some programs want it to have a name.
RUN grep -q '^[^:]*:[^:]*:1000:' /etc/passwd || echo 'app:x:1000:1000::/tmp:/bin/sh' >> /etc/passwd
RUN mkdir -p @DATA@ /opt/seed && chown -R 1000:1000 @DATA@ /opt/seed && python3 -m compileall -q /opt/guest /opt/app
USER 1000:1000
RUN python3 -m envsim.guest.supervisor --build-seed --spec /opt/guest/guest.json --folder /opt/app \\
        --seed-db /opt/seed/data --data @DATA@
ENTRYPOINT ["python3", "-m", "envsim.guest.supervisor", "--spec", "/opt/guest/guest.json", \\
    "--folder", "/opt/app", "--seed-db", "/opt/seed/data", "--directory", "/run/envsim"]
"""

_ON_BASE = """\
# Runs an app by a command on our base image. The build context, made by envsim.sandbox.image, holds wheels/,
# requirements.txt, debs/, guest/ and app/ (this folder): the build runs without network.
ARG BASE=python:3.12-slim-bookworm

FROM $BASE AS build
COPY wheels /wheels
COPY requirements.txt /
RUN python3 -m venv /opt/venv \\
    && /opt/venv/bin/pip install --quiet --no-index --find-links /wheels -r /requirements.txt \\
    && /opt/venv/bin/pip uninstall --quiet --yes pip

{debs}
FROM $BASE
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/guest PYTHONHASHSEED=0 LANG=C.UTF-8 TZ=UTC
COPY --from=build /opt/venv /opt/venv
{last}"""

_ON_IMAGE = """\
# Puts the guest into an image that holds an app. The build context, made by envsim.sandbox.image, holds wheels/,
# requirements.txt, debs/, guest/ and app/ (this folder): the build runs without network.
ARG BASE

FROM $BASE AS build
USER 0
COPY wheels /wheels
RUN mkdir /opt/lib && for wheel in /wheels/*.whl; do python3 -m zipfile -e "$wheel" /opt/lib; done

{debs}
FROM $BASE
USER 0
ENV PYTHONPATH=/opt/guest:/opt/lib PYTHONHASHSEED=0 LANG=C.UTF-8 TZ=UTC
COPY --from=build /opt/lib /opt/lib
RUN command -v python || ln -s "$(command -v python3)" /usr/local/bin/python
{last}"""


def dockerfile(data: str, image: str | None) -> str:
    """A Dockerfile for an app that is a command.

    Args:
        data: Its data folder inside.
        image: The image that holds it; None for our base image.
    """
    # Text with braces and dollars of its own: filled in by name, nothing else in it is touched.
    text = _ON_BASE if image is None else _ON_IMAGE
    return text.replace("{debs}", _DEBS).replace("{last}", _LAST.replace("@DATA@", data))
