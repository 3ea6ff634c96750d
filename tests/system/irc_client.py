"""An IRC client on the `irc` package: TLS, capabilities, SASL PLAIN, labelled messages, CHATHISTORY."""

import base64
import itertools

from irc.client_aio import AioReactor
from irc.connection import AioFactory

from .talk import DOMAIN, ROOM, Client, Message

# Asked for as a client of this decade does. Missing ones fail the test.
CAPABILITIES = "message-tags server-time batch echo-message labeled-response sasl draft/chathistory account-tag"

CHANNEL = f"#{ROOM}"

# Small, so that a history takes several pages.
PAGE = 20


class IrcClient(Client):
    def __init__(self, name, room=ROOM):
        super().__init__(f"irc:{name}")
        self.nick = name
        self.channel = f"#{room}"
        self.numbers = itertools.count(1)
        self.connection = None

    async def attempt(self, node, password):
        """Connects to a node with TLS and logs in; ConnectionRefusedError when the account is not (yet) there."""
        self.lost, self.log, self.batches, self.labels = None, [], {}, {}
        reactor = AioReactor(on_connect=lambda protocol, _transport: protocol.connection.send_raw("CAP LS 302"))
        reactor.add_global_handler("all_events", self.on_event)
        self.connection = reactor.server()
        tls = AioFactory(ssl=node.trusted(), server_hostname=DOMAIN)
        await self.connection.connect(node.address, 6697, self.nick, connect_factory=tls)
        await self.capability("LS")
        self.connection.send_raw(f"CAP REQ :{CAPABILITIES}")
        await self.capability("ACK")
        self.connection.send_raw("AUTHENTICATE PLAIN")
        await self.reply("authenticate")
        token = base64.b64encode(f"\0{self.nick}\0{password}".encode()).decode()
        self.connection.send_raw(f"AUTHENTICATE {token}")
        await self.reply("saslsuccess", "903", refusal=("saslfail", "904"))
        self.connection.cap("END")
        await self.reply("welcome")
        return True

    async def capability(self, subcommand):
        """Waits for a reply to CAP."""

        def answer():
            said = [event.arguments[:1] for event in self.log if event.type == "cap"]
            if self.lost or ["NAK"] in said:
                raise AssertionError(f"{self}: capabilities refused: {self.lost}, {self.tail()}")
            return [subcommand] in said

        await self.until(answer, lambda: f"no CAP {subcommand}: {self.tail()}")

    async def reply(self, *types, refusal=()):
        """Waits for a reply of one of these types; ConnectionRefusedError for a refusal."""

        def answer():
            return next((event for event in self.log if event.type in types + refusal), None) or self.lost

        event = await self.until(answer, lambda: f"no {types[0]}: {self.tail()}")
        if self.lost or event.type in refusal:
            self.close()
            raise ConnectionRefusedError(f"{self}: {event}")

    async def join(self):
        self.connection.join(self.channel)
        await self.reply("endofnames")

    async def ask(self, line, *types):
        """The first reply of one of these types to a line."""
        self.log.clear()
        self.connection.send_raw(line)
        await self.reply(*types)
        return next(event for event in self.log if event.type in types)

    async def names(self):
        """Who is in the room, with the signs of their standing."""
        await self.ask(f"NAMES {self.channel}", "endofnames")
        lines = [event.arguments[-1] for event in self.log if event.type == "namreply"]
        return {name for line in lines for name in line.split()}

    def tail(self):
        return [f"{event.type} {event.arguments}" for event in self.log[-5:]]

    def on_event(self, connection, event):
        if connection is not self.connection or event.type in ("all_raw_messages", "ping"):
            return
        if event.type == "disconnect":
            self.disconnected(str(event.arguments))
            return
        tags = {tag["key"]: tag["value"] for tag in event.tags}
        if event.type == "batch":
            self.on_batch(event)
        if event.type == "pubmsg" and event.target == self.channel:
            self.on_message(event, tags)
        if label := tags.get("label"):
            self.labels[label] = (event, tags)
        self.log.append(event)
        self.changed()

    def on_batch(self, event):
        # BATCH +reference type parameters... opens, BATCH -reference closes.
        sign, reference = event.target[0], event.target[1:]
        if sign == "+":
            self.batches[reference] = {"type": event.arguments[0], "messages": [], "open": True}
        else:
            self.batches[reference]["open"] = False

    def on_message(self, event, tags):
        message = Message(tags.get("msgid"), event.source.nick, event.arguments[0])
        batch = self.batches.get(tags.get("batch"))
        if batch and batch["type"].endswith("chathistory"):
            batch["messages"].append(message)
        else:
            self.saw(message)

    async def say(self, text):
        """Speaks in the room; the message, once it is acknowledged: durable at the node."""
        label = f"{self.nick}-{next(self.numbers)}"
        self.connection.send_raw(f"@label={label} PRIVMSG {self.channel} :{text}")
        await self.until(lambda: self.lost or label in self.labels, f"{text!r} is not acknowledged: {self.tail()}")
        if label not in self.labels:
            raise ConnectionError(f"{self}: {self.lost}")
        event, tags = self.labels.pop(label)
        if event.type != "pubmsg" or event.arguments != [text]:
            raise AssertionError(f"{self}: {text!r} was answered by {event.type} {event.arguments}")
        return Message(tags["msgid"], self.nick, text)

    async def history(self):
        """All of the room's history, oldest first, page by page from the end."""
        messages, page = [], await self.page(f"LATEST {self.channel} * {PAGE}")
        while page:
            if messages and page[-1].id >= messages[0].id:
                raise AssertionError(f"{self}: the page before {messages[0]} ends with {page[-1]}")
            messages[:0] = page
            page = await self.page(f"BEFORE {self.channel} msgid={messages[0].id} {PAGE}")
        return messages

    async def page(self, question):
        known = set(self.batches)
        label = f"{self.nick}-{next(self.numbers)}"
        self.connection.send_raw(f"@label={label} CHATHISTORY {question}")

        def answer():
            if self.lost or (label in self.labels and self.labels[label][0].type == "fail"):
                raise AssertionError(f"{self}: CHATHISTORY {question}: {self.lost or self.labels[label][0].arguments}")
            fresh = [batch for reference, batch in self.batches.items() if reference not in known]
            fresh = [batch for batch in fresh if batch["type"].endswith("chathistory")]
            return fresh and not fresh[0]["open"] and fresh

        batches = await self.until(answer, lambda: f"no batch for CHATHISTORY {question}: {self.tail()}")
        return batches[0]["messages"]

    def close(self):
        """Hangs up, as on purpose."""
        self.lost = "closed here"
        if self.connection:
            self.connection.disconnect("bye")
