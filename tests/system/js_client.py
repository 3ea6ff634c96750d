"""An XMPP client on @xmpp/client, which runs in a process of Node: log-in, resource and archive in one step, tokens, resumption."""

import itertools
import json
import uuid

from .script_client import ScriptClient
from .talk import DOMAIN, ROOM, Message

ROOM_JID = f"{ROOM}@rooms.{DOMAIN}"


class JsClient(ScriptClient):
    def __init__(self, name):
        super().__init__(f"js:{name}")
        self.nick = name
        self.id = str(uuid.uuid4())
        self.numbers = itertools.count(1)
        self.reset()

    def reset(self):
        self.lost, self.jid, self.inside, self.made = None, None, False, False
        self.resumed = 0
        self.mechanisms, self.errors, self.direct = [], [], []
        self.acknowledged, self.left = {}, set()

    async def attempt(self, node, password, token=None):
        """Connects to a node with STARTTLS and logs in; ConnectionRefusedError when the account is not (yet) there."""
        environment = {"NODE_EXTRA_CA_CERTS": str(node.directory / "data" / "client-cert.pem")}
        if token:
            environment["TOKEN"] = json.dumps(token)
        service = f"xmpp://{node.address}:5222"
        await self.run("client.mjs", service, DOMAIN, self.nick, password, ROOM_JID, self.id, **environment)
        self.do("connect")
        await self.until(lambda: self.lost or self.jid or self.errors, "no session")
        if not self.jid:
            problem = f"{self}: {self.lost}, {self.errors}"
            self.close()
            raise ConnectionRefusedError(problem)
        self.do("available")
        return True

    def on_online(self, jid):
        self.jid = jid

    def on_offline(self):
        self.lost = "offline"

    def on_resumed(self):
        self.resumed += 1

    def on_token(self, token):
        self.token = token

    def on_mechanism(self, name):
        self.mechanisms.append(name)

    def on_error(self, text):
        self.errors.append(text)

    def on_came(self, nick, own, made):
        self.inside, self.made = self.inside or own, self.made or made

    def on_left(self, nick, own, made):
        self.left.add(nick)

    def on_direct(self, **said):
        self.direct.append(said)

    def on_message(self, id, nick, text, client):
        message = Message(id, nick, text)
        if nick == self.nick:
            self.acknowledged[client] = message
        self.saw(message)

    async def join(self):
        """Comes in; a room that is new is taken as it is."""
        self.do("join")
        await self.until(lambda: self.inside, "not in the room")
        if self.made:
            self.do("take")

    async def say(self, text):
        """Speaks in the room; the message, once it is reflected."""
        client = f"{self.nick}-{next(self.numbers)}"
        self.do("say", text=text, client=client)
        await self.until(lambda: self.lost or client in self.acknowledged, f"{text!r} is not reflected")
        if client not in self.acknowledged:
            raise ConnectionError(f"{self}: {self.lost}")
        return self.acknowledged[client]

    async def cut_connection(self):
        """The connection ends as if the network had gone; the library comes back by itself."""
        before = self.resumed
        self.do("cut")
        await self.until(lambda: self.resumed > before, lambda: f"no resumption: {self.errors}")
