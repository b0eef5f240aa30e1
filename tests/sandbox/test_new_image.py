"""`sandbox new --image`: an app in somebody's image, with the database it brings."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envsim.errors import ContentError
from envsim.sandbox.docker import DockerRuntime
from envsim.sandbox.image import connect, find_base, quiet
from envsim.sandbox.new import plan, write
from envsim.sandbox.new_image import look_at
from envsim.sandbox.new_proof import prove

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(300)]

DOCKERFILE = """
FROM {base}
WORKDIR /srv/tally
COPY tally.py control.py ./
RUN mkdir -p /var/lib/tally && python3 -c "import control, pathlib; control.build(pathlib.Path('/var/lib/tally'))"
ENV DATA=/var/lib/tally
EXPOSE 8081/tcp
VOLUME /var/lib/tally
ENTRYPOINT ["python3", "tally.py"]
CMD ["8081"]
"""


@pytest.fixture(scope="module")
def client(user_root: Path) -> Iterator[Any]:
    client = connect()
    yield client
    client.close()


def archive(files: dict[str, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    out.seek(0)
    return out


@pytest.fixture(scope="module")
def theirs(client: Any) -> Iterator[str]:
    """An image that knows nothing of us: tally with its data in it."""
    app = Path(__file__).parent / "content" / "sandboxes" / "tally"
    files = {name: (app / name).read_bytes() for name in ("tally.py", "control.py")}
    files["Dockerfile"] = DOCKERFILE.format(base=find_base(client)).encode()
    image, _ = client.images.build(
        fileobj=archive(files), custom_context=True, network_mode="none", rm=True, forcerm=True
    )
    image.tag("envsim-test-theirs", "1")
    yield "envsim-test-theirs:1"
    client.images.remove("envsim-test-theirs:1", force=True)


def test_its_command_port_and_data_are_taken_from_it_and_it_is_proven(client: Any, theirs: str, tmp_path: Path) -> None:
    planned = plan("theirs", image=theirs, sqlite="tally.db", client=client)
    assert (planned.command, planned.port, planned.workdir) == (("python3", "tally.py", "8081"), 8081, "/srv/tally")
    assert (planned.data, planned.database) == ("/var/lib/tally", "sqlite:tally.db")
    spec = write(planned, tmp_path)
    try:
        proof = prove(spec, DockerRuntime(), quiet)
        assert [point for point in proof.points if point.held is False] == []
        assert 'vote = { key = "name", sql = "SELECT name, votes FROM vote" }' in proof.suggestions
    finally:
        for image in client.images.list(filters={"label": "envsim.app=theirs"}):
            client.images.remove(image.id, force=True)


def test_an_image_without_python_says_how_to_add_it(client: Any) -> None:
    answer = client.api.import_image_from_data(archive({"app": b"x"}).read())
    image = (
        client.images.list(all=True)[0].id if "status" not in answer else answer.split('"status":"')[1].split('"')[0]
    )
    try:
        with pytest.raises(
            ContentError, match=r"There is no python3 in .*Python 3.11 or newer.*FROM .*apt-get install"
        ):
            look_at(client, image)
        assert client.containers.list(all=True, filters={"ancestor": image}) == []
    finally:
        client.images.remove(image, force=True)
