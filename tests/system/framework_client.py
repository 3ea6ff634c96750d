"""An IRC client on irc-framework, which runs in a process of Node."""

from .irc_client import CHANNEL
from .script_client import ScriptClient
from .talk import Message


class FrameworkClient(ScriptClient):
    def __init__(self, nick):
        super().__init__(f"irc-framework:{nick}")
        self.nick = nick
        self.reset()

    def reset(self):
        self.lost, self.online, self.inside = None, False, False

    async def attempt(self, node, password):
        """Connects to a node with TLS and logs in; ConnectionRefusedError when the account is not (yet) there."""
        await self.run("irc.mjs", node.address, self.nick, password, CHANNEL)
        await self.until(lambda: self.lost or self.online, "no session")
        if not self.online:
            problem = f"{self}: {self.lost}"
            self.close()
            raise ConnectionRefusedError(problem)
        return True

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

        def own():
            return next((said for said in self.live if (said.nick, said.text) == (self.nick, text)), None)

        return await self.until(own, f"{text!r} is not echoed")
