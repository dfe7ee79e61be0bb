"""Listens for requests and ends without losing any."""
from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

LOOPBACK = ('127.0.0.1', 'localhost')
BACKLOG = 1024


class AnnouncedServer(uvicorn.Server):
    """A server that says where it listens, once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell the address."""
        await super().startup(sockets)
        host, port = sockets[0].getsockname()[:2]
        print(f'Serving on http://{host}:{port} (stop with Ctrl+C)', flush=True)


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket at an address, not listening yet: clients are refused until the model is there.

    Raises:
        ValueError: The address is taken or not of this machine.
    """
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    # A port whose last connections still fade is free for the next start.
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
    except OSError as error:
        opened.close()
        raise ValueError(f'--host {host} --port {port} cannot be listened on ({error.strerror or error}). Choose another port; 0 '
                         'takes a free one.') from error
    return opened


def allowed_hosts(host: str) -> tuple[str, ...]:
    """Names by which clients may call: those of the loopback address where this is one, else any."""
    return LOOPBACK if host in LOOPBACK else ('*', )


def serve(app: FastAPI, opened: socket.socket) -> None:
    """Serve until interrupted; requests under way are answered first."""
    config = uvicorn.Config(app, log_level='warning', access_log=False, backlog=BACKLOG, server_header=False)
    AnnouncedServer(config).run([opened])
