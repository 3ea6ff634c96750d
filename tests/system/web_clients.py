"""Clients of the web: IRC over WebSocket on the `websockets` package, XMPP over it on @xmpp/client and as Converse.js in a browser, and in HTTP requests on Strophe.js."""

import asyncio
import base64
import json
import os
import shutil
from pathlib import Path

import websockets

from .js_client import ROOM_JID, JsClient
from .talk import DOMAIN, ROOM, Client, Message

PORT = 5443
# A browser starts, and loads a page of megabytes, on a busy machine.
BROWSER_SECONDS = 120
SCRIPT = Path(__file__).parent / "js" / "web.mjs"
CONVERSE = Path(__file__).parent / "js" / "converse.mjs"


class WebIrcClient(Client):
    """Lines as messages; `binary` is the other of the two subprotocols."""

    def __init__(self, name, binary=False):
        super().__init__(f"web-irc:{name}")
        self.nick = name
        self.subprotocol = "binary.ircv3.net" if binary else "text.ircv3.net"
        self.lines = []
        self.socket = None
        self.reader = None

    async def attempt(self, node, password):
        self.lost, self.lines = None, []
        self.socket = await websockets.connect(
            f"wss://{DOMAIN}:{PORT}/irc",
            host=node.address,
            ssl=node.trusted(),
            server_hostname=DOMAIN,
            subprotocols=[self.subprotocol],
            origin="https://web.example",
        )
        if self.socket.subprotocol != self.subprotocol:
            raise AssertionError(f"{self}: the subprotocol is {self.socket.subprotocol}")
        self.reader = asyncio.create_task(self.read())
        await self.send("CAP REQ :sasl message-tags echo-message server-time")
        await self.send("AUTHENTICATE PLAIN")
        await self.line("AUTHENTICATE +")
        await self.send("AUTHENTICATE " + base64.b64encode(f"\0{self.nick}\0{password}".encode()).decode())
        if " 904 " in await self.line(" 903 ", " 904 "):
            self.close()
            raise ConnectionRefusedError(f"{self}: not logged in")
        await self.send(f"NICK {self.nick}")
        await self.send(f"USER {self.nick} 0 * :{self.nick}")
        await self.send("CAP END")
        await self.line(" 001 ")
        return True

    async def read(self):
        try:
            async for message in self.socket:
                if isinstance(message, bytes) != (self.subprotocol == "binary.ircv3.net"):
                    raise AssertionError(f"{self}: a message of the wrong kind: {message}")
                self.on_line(message.decode() if isinstance(message, bytes) else message)
        finally:
            self.disconnected("closed by the server")

    def on_line(self, line):
        self.lines.append(line)
        tags, _, rest = line.partition(" ") if line.startswith("@") else ("", "", line)
        source, _, rest = rest.partition(" ")
        command, _, rest = rest.partition(" ")
        if command == "PRIVMSG" and rest.startswith(f"#{ROOM} :"):
            tags = dict(tag.partition("=")[::2] for tag in tags[1:].split(";"))
            self.saw(Message(tags.get("msgid"), source[1:].split("!")[0], rest.partition(" :")[2]))
        self.changed()

    async def send(self, line):
        await self.socket.send(line.encode() if self.subprotocol == "binary.ircv3.net" else line)

    async def line(self, *parts):
        """The first line with one of these in it."""

        def found():
            return next((line for line in self.lines if any(part in line for part in parts)), None) or self.lost

        return await self.until(found, lambda: f"no {parts}: {self.lines[-5:]}")

    async def join(self):
        await self.send(f"JOIN #{ROOM}")
        await self.line(" 366 ")

    async def say(self, text):
        await self.send(f"PRIVMSG #{ROOM} :{text}")
        await self.until(lambda: any(m.text == text for m in self.live), f"{text!r} is not echoed")
        return next(m for m in self.live if m.text == text)

    def close(self):
        self.lost = "closed here"
        if self.reader:
            self.reader.cancel()


class WebXmppClient(Client):
    """A process of Node.js; what it tells comes as lines of JSON."""

    def __init__(self, name):
        super().__init__(f"web-xmpp:{name}")
        self.nick = name
        self.process = None
        self.reader = None
        self.joined = False

    async def attempt(self, node, password):
        self.lost, self.joined = None, False
        self.process = await asyncio.create_subprocess_exec(
            "node",
            SCRIPT,
            f"wss://{node.address}:{PORT}/xmpp-websocket",
            DOMAIN,
            self.nick,
            password,
            f"{ROOM}@rooms.{DOMAIN}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # The node is named by its address, which its certificate does not hold.
            env={**os.environ, "NODE_TLS_REJECT_UNAUTHORIZED": "0", "NODE_NO_WARNINGS": "1"},
        )
        self.reader = asyncio.create_task(self.read())
        await self.until(lambda: self.joined or self.lost, "it does not come into the room")
        if self.lost:
            self.close()
            raise ConnectionRefusedError(f"{self}: {self.lost}")
        return True

    async def read(self):
        while line := await self.process.stdout.readline():
            told = json.loads(line)
            if "error" in told:
                self.disconnected(told["error"])
            elif "joined" in told:
                self.joined = True
            else:
                self.saw(Message(told["id"], told["nick"], told["text"]))
            self.changed()
        self.disconnected("it has ended")

    async def join(self):
        """It has joined when it has logged in."""

    async def say(self, text):
        self.process.stdin.write(f"{text}\n".encode())
        await self.until(lambda: any(m.text == text for m in self.live), f"{text!r} is not reflected")
        return next(m for m in self.live if m.text == text)

    def close(self):
        if self.reader:
            self.reader.cancel()
        if self.process and self.process.returncode is None:
            self.process.kill()


class BoshClient(JsClient):
    """Requests of HTTP that wait for what there is to say."""

    def __init__(self, name):
        super().__init__(name)
        self.name = f"bosh:{name}"

    async def attempt(self, node, password):
        service = f"https://{node.address}:{PORT}/http-bind"
        await self.run("bosh.mjs", service, DOMAIN, self.nick, password, ROOM_JID)
        await self.until(lambda: self.lost or self.jid or self.errors, "no session")
        if not self.jid:
            problem = f"{self}: {self.lost}, {self.errors}"
            self.close()
            raise ConnectionRefusedError(problem)
        return True


class Converse(Client):
    """Converse.js in Chromium, of which only what its page shows is known: who said what in the room, in that order."""

    def __init__(self, name):
        super().__init__(f"converse:{name}")
        self.nick = name
        self.process = None
        self.reader = None
        self.reset()

    def reset(self):
        self.lost, self.joined, self.people, self.picture, self.shown, self.problems = None, False, None, None, [], []

    async def attempt(self, node, password):
        self.reset()
        self.process = await asyncio.create_subprocess_exec(
            "node",
            CONVERSE,
            shutil.which("chromium"),
            f"wss://{node.address}:{PORT}/xmpp-websocket",
            f"{self.nick}@{DOMAIN}",
            password,
            f"{ROOM}@rooms.{DOMAIN}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self.reader = asyncio.create_task(self.read())
        await self.until(lambda: self.joined or self.lost, lambda: f"no room is shown: {self.problems}", BROWSER_SECONDS)
        if self.lost:
            raise AssertionError(f"{self}: {self.lost}, {self.problems}")
        return True

    async def read(self):
        while line := await self.process.stdout.readline():
            told = json.loads(line)
            if "problem" in told:
                self.problems.append(told["problem"])
            elif "joined" in told:
                self.joined = True
            elif "people" in told:
                self.people = told["people"]
            elif "picture" in told:
                self.picture = told["picture"]
            else:
                self.shown.append((told["nick"], told["text"]))
            self.changed()
        self.disconnected("it has ended")

    def do(self, **what):
        self.process.stdin.write(f"{json.dumps(what)}\n".encode())

    async def join(self):
        """It is in the room when it has logged in."""

    async def say(self, text):
        """Types it; who and what, once it is shown."""
        self.do(type=text)
        await self.until(lambda: (self.nick, text) in self.shown, lambda: f"{text!r} is not shown: {self.shown}")
        return self.nick, text

    async def shows(self, said):
        """Waits until all of these are shown."""
        await self.until(
            lambda: set(said) <= set(self.shown), lambda: f"not shown: {set(said) - set(self.shown)}; {self.problems}"
        )

    async def sidebar(self):
        """Who is in the room, as shown beside it."""
        self.people = None
        self.do(people=True)
        return await self.until(lambda: self.people, "nobody is shown")

    async def draw(self, path):
        self.do(picture=str(path))
        await self.until(lambda: self.picture == str(path), "no picture")

    def close(self):
        if self.reader:
            self.reader.cancel()
        if self.process and self.process.returncode is None:
            # It ends its browser with it.
            self.process.terminate()
