"""A mail server that misbehaves as a test sets it, at each step of the dialogue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Self, TypeAlias

HANG_UP: Final = b""
SILENCE: Final = b"silence"

Step: TypeAlias = tuple[str, str]
"""A verb of SMTP (`GREETING` and `DOT` too) and the recipient that it is about, if any."""
Answer: TypeAlias = bytes | Callable[[], bytes]

_USUAL: Final = {
    "GREETING": b"220 odd",
    "EHLO": b"250-odd\r\n250 SIZE 1000000",
    "HELO": b"250 odd",
    "MAIL": b"250 OK",
    "RCPT": b"250 OK",
    "DATA": b"354 go on",
    "DOT": b"250 OK",
    "RSET": b"250 OK",
    "QUIT": b"221 bye",
}


class OddServer:
    """Speaks plain SMTP; a context manager that listens on a free port."""

    def __init__(self) -> None:
        self.port = 0
        self.answers: dict[Step, Answer] = {}  # by verb and recipient, or by verb and ""
        self.most_per_connection: int | None = None  # mails, before it says 421 to the next
        self.connections = 0
        self.taken: list[str] = []  # Message-IDs
        self.heard: list[Step] = []
        self._listening: asyncio.Server | None = None
        self._talking: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._listening.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listening is not None
        self._listening.close()
        for talk in self._talking:
            talk.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talking.add(task)
        self.connections += 1
        try:
            await self._talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            self._talking.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipient, mails = "", 0
        if not await self._say(writer, "GREETING", ""):
            return
        while line := await reader.readline():
            verb = line[:4].decode(errors="replace").strip().upper()
            if verb in {"MAIL", "RSET"}:
                recipient = ""
            if verb == "RCPT":
                recipient = line.decode().partition("<")[2].partition(">")[0]
            if verb == "MAIL" and mails == self.most_per_connection:
                writer.write(b"421 4.7.0 too many mails over one connection\r\n")
                return
            if not await self._say(writer, verb, recipient) or verb == "QUIT":
                return
            if verb == "DATA" and self._answer(verb, recipient).startswith(b"354"):
                content = await reader.readuntil(b"\r\n.\r\n")
                if self._answer("DOT", recipient).startswith(b"250"):
                    (id_,) = [x for x in content.split(b"\r\n") if x.startswith(b"Message-ID: ")]
                    self.taken.append(id_.decode().partition("<")[2].partition("@")[0])
                if not await self._say(writer, "DOT", recipient):
                    return
                mails += 1

    def _answer(self, verb: str, recipient: str) -> bytes:
        usual = _USUAL.get(verb, b"502 5.5.1 not here")
        answer = self.answers.get((verb, recipient), self.answers.get((verb, ""), usual))
        return answer if isinstance(answer, bytes) else answer()

    async def _say(self, writer: asyncio.StreamWriter, verb: str, recipient: str) -> bool:
        """Answer; return False if the connection is over."""
        self.heard.append((verb, recipient))
        answer = self._answer(verb, recipient)
        if answer == HANG_UP:
            return False
        if answer == SILENCE:
            await asyncio.Event().wait()
        writer.write(answer + b"\r\n")
        await writer.drain()
        return not answer.startswith(b"421")
