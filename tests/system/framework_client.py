"""An IRC client on irc-framework, which runs in a process of Node."""

import asyncio
import json
from pathlib import Path

from .irc_client import CHANNEL
from .talk import Client, Message

SCRIPT = Path(__file__).parent / "js" / "irc.mjs"


class FrameworkClient(Client):
    def __init__(self, nick):
        super().__init__(f"irc-framework:{nick}")
        self.nick = nick
        self.process = None
        self.reset()

    def reset(self):
        self.lost, self.online, self.inside = None, False, False

    async def attempt(self, node, password):
        """Connects to a node with TLS and logs in; ConnectionRefusedError when the account is not (yet) there."""
        self.process = await asyncio.create_subprocess_exec(
            "node", str(SCRIPT), node.address, self.nick, password, CHANNEL,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        # Only here, since the process before may end meanwhile.
        self.reset()
        self.reader = asyncio.create_task(self.read(self.process))
        await self.until(lambda: self.lost or self.online, "no session")
        if not self.online:
            problem = f"{self}: {self.lost}"
            self.close()
            raise ConnectionRefusedError(problem)
        return True

    async def read(self, process):
        async for line in process.stdout:
            said = json.loads(line)
            getattr(self, f"on_{said.pop('event')}")(**said)
            self.changed()
        if process is self.process:
            self.disconnected("its process has ended")

    def do(self, what, **more):
        self.process.stdin.write(f"{json.dumps({'do': what, **more})}\n".encode())

    def on_online(self):
        self.online = True

    def on_offline(self):
        self.lost = self.lost or "offline"

    def on_refused(self, reason):
        self.lost = reason

    def on_came(self, who):
        self.inside = self.inside or who == self.nick

    def on_message(self, id, by, text):
        self.saw(Message(id, by, text))

    async def join(self):
        self.do("join")
        await self.until(lambda: self.inside, "not in the room")

    async def say(self, text):
        """Speaks in the room; the message, once it is echoed."""
        self.do("say", text=text)
        own = lambda: next((said for said in self.live if (said.nick, said.text) == (self.nick, text)), None)  # noqa: E731
        return await self.until(own, f"{text!r} is not echoed")

    def close(self):
        if self.process and self.process.returncode is None:
            self.process.kill()
