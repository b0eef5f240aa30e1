"""Passes stdin to a gate and what it answers to stdout: ``python3 -I -S pipe.py PORT``.

An engine runs it in the gate's container, one process per connection, so it is as small as Python can be: standard
library only, no threads, no asyncio.
"""

import os
import select
import socket
import sys

CHUNK = 65_536


def main() -> None:
    """Connect, and carry bytes until the gate hangs up."""
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as gate:
        ready = [gate.fileno(), 0]
        while True:
            for handle in select.select(ready, [], [])[0]:
                data = os.read(handle, CHUNK)
                if handle:
                    if not data:
                        return
                    _write(data)
                elif data:
                    gate.sendall(data)
                else:
                    ready.remove(0)
                    gate.shutdown(socket.SHUT_WR)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
