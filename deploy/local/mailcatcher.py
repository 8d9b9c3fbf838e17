"""An SMTP server that delivers nothing: each mail becomes one file, and stays.

`python -m deploy.local.mailcatcher --port 8125 --folder .local/data/mail`
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from pathlib import Path
from typing import Annotated

import typer
from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.local.layout import HOST


class Catcher:
    """Keeps mails in a folder as `.eml` files whose names sort by time of arrival."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(  # noqa: N802  # the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        draft = self._folder / f".{name}"
        draft.write_bytes(_delivery_headers(envelope) + content)
        draft.rename(self._folder / f"{name}.eml")
        return "250 kept"


def _delivery_headers(envelope: Envelope) -> bytes:
    """Who sent it and for whom, as a delivering server notes it (RFC 5321, 4.4): a mail's own
    headers don't say."""
    lines = [f"Return-Path: <{envelope.mail_from or ''}>"]
    lines += [f"Delivered-To: {recipient}" for recipient in envelope.rcpt_tos]
    return "".join(f"{line}\r\n" for line in lines).encode()


async def catch(port: int, folder: Path) -> None:
    """Serve on the loopback port until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    server = await loop.create_server(
        lambda: SMTP(Catcher(folder), enable_SMTPUTF8=True, ident="peygir mail catcher", loop=loop),
        HOST,
        port,
    )
    async with server:
        await stop.wait()


def main(
    port: Annotated[int, typer.Option(help="Loopback port to listen on.")] = 8125,
    folder: Annotated[Path, typer.Option(help="Where mails are kept.")] = Path("mail"),
) -> None:
    """Take every mail and keep it."""
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(catch(port, folder))


if __name__ == "__main__":
    typer.run(main)
