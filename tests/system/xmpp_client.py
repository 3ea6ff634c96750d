"""An XMPP client on slixmpp: TLS, SCRAM, multi-user chat, archive queries."""

import itertools
import logging
from xml.etree import ElementTree

from slixmpp import JID, ClientXMPP

from .talk import DOMAIN, ROOM, Client, Message

# It logs the end of connections that tests end on purpose; what matters of it is in `lost`.
logging.getLogger("slixmpp").setLevel(logging.CRITICAL)
# Says for each connection that a loop was busy; commands of the test are waited for in it.
logging.getLogger("asyncio").setLevel(logging.ERROR)

STATUS = "{http://jabber.org/protocol/muc#user}status"
DELAY = "{urn:xmpp:delay}delay"
NICK = "{http://jabber.org/protocol/nick}nick"
STANZA_ID = "{urn:xmpp:sid:0}stanza-id"
PAGE = 20


class XmppClient(Client):
    def __init__(self, name, resumable=False, resource="test", room=ROOM):
        super().__init__(f"xmpp:{name}" if resource == "test" else f"xmpp:{name}/{resource}")
        self.nick = name
        self.resource = resource
        self.room = JID(f"{room}@rooms.{DOMAIN}")
        self.resumable = resumable
        # Nicks that it saw leave the room.
        self.left = set()
        # What people said to it, with whether that came later than it was said.
        self.direct = []
        # What other clients of its account said (`sent`) and were told (`received`), with whom, as it was told of it (XEP-0280).
        self.copies = []
        # Who asked to see its presence, and the names that they gave themselves with it.
        self.requests = []
        # How it was shown occupants of the room, by nick: as contacts are, with the status text.
        self.occupants = {}
        # How it was shown the clients of contacts and of its own account: `available`, a `<show/>` or `unavailable`.
        self.shown = []
        self.acknowledged = {}
        self.numbers = itertools.count(1)
        self.stream: ClientXMPP | None = None
        self.state = "connecting"

    async def attempt(self, node, password):
        """Connects to a node with STARTTLS and logs in; ConnectionRefusedError when the account is not (yet) there."""
        self.lost, self.state, self.acknowledged = None, "connecting", {}
        self.stream = stream = ClientXMPP(f"{self.nick}@{DOMAIN}/{self.resource}", password, ssl_context=node.trusted())
        stream.enable_direct_tls = False
        for plugin in ("xep_0030", "xep_0045", "xep_0280", "xep_0313", "xep_0359", *(("xep_0198",) if self.resumable else ())):
            stream.register_plugin(plugin)

        def on(event, handle):
            stream.add_event_handler(event, lambda data: handle(data) if stream is self.stream else None)

        on("session_start", lambda _: self.becomes("started"))
        on("failed_all_auth", lambda _: self.becomes("refused"))
        on("connection_failed", lambda reason: self.becomes(f"not connected: {reason}"))
        on("disconnected", self.on_disconnected)
        on("groupchat_message", self.take_message)
        on("groupchat_presence", self.take_presence)
        on("message", self.take_direct)
        on("session_resumed", lambda _: self.becomes("resumed"))
        on("carbon_sent", lambda data: self.take_copy("sent", data["carbon_sent"]))
        on("carbon_received", lambda data: self.take_copy("received", data["carbon_received"]))
        on("presence_subscribe", self.take_request)
        for way in ("available", "chat", "away", "xa", "dnd", "unavailable"):
            on(f"presence_{way}", self.take_contact)
        stream.connect(node.address, 5222)
        await self.until(lambda: self.lost or self.state != "connecting", "no session")
        if self.lost or self.state != "started":
            reason = f"{self}: {self.state}, {self.lost}"
            self.close()
            raise ConnectionRefusedError(reason)
        stream.send_presence()
        return True

    async def all_sent(self):
        """Waits until the library has given all stanzas to its socket."""
        await self.stream.waiting_queue.join()

    async def cut_connection(self):
        """The connection ends as if the network had gone."""
        self.state = "cut"
        self.stream.abort()
        await self.until(lambda: self.state == "gone", "the connection is still there")

    def on_disconnected(self, reason):
        if self.state == "cut":
            self.becomes("gone")
        else:
            self.disconnected(str(reason))

    async def resume(self, node):
        """Connects again and goes on with the stream; ConnectionRefusedError when that is not to be had."""
        self.lost, self.state = None, "connecting"
        self.stream.connect(node.address, 5222)
        await self.until(lambda: self.lost or self.state != "connecting", "no stream")
        if self.lost or self.state != "resumed":
            raise ConnectionRefusedError(f"{self}: {self.state}, {self.lost}")

    async def start_over(self, node):
        """Connects to another node, which does not know the stream, and begins anew there; ConnectionRefusedError when that is not to be had."""
        self.lost, self.state = None, "connecting"
        self.stream.ssl_context = node.trusted()
        self.stream.connect(node.address, 5222)
        await self.until(lambda: self.lost or self.state != "connecting", "no session")
        if self.lost or self.state != "started":
            self.stream.cancel_connection_attempt()
            raise ConnectionRefusedError(f"{self}: {self.state}, {self.lost}")
        self.stream.send_presence()

    def becomes(self, state):
        self.state = state
        self.changed()

    async def join(self):
        """Comes in; a room that is new is taken as it is, so that others may come in (XEP-0045 section 10.1.2)."""
        presence, *_ = await self.stream.plugin["xep_0045"].join_muc_wait(self.room, self.nick, maxstanzas=0, timeout=20)
        if any(status.get("code") == "201" for status in presence.xml.iter(STATUS)):
            owner = self.stream.make_iq_set(ito=self.room)
            query = ElementTree.SubElement(owner.xml, "{http://jabber.org/protocol/muc#owner}query")
            ElementTree.SubElement(query, "{jabber:x:data}x", type="submit")
            await owner.send()

    def take_message(self, stanza):
        # slixmpp logs what a handler raises and goes on; here it fails the test.
        try:
            self.on_message(stanza)
        except AssertionError as problem:
            self.disconnected(f"{problem}: {stanza}")

    def take_presence(self, stanza):
        self.occupants[stanza["from"].resource] = (stanza["type"], stanza["status"])
        self.changed()
        if stanza["type"] == "unavailable":
            self.left.add(stanza["from"].resource)

    def take_direct(self, stanza):
        if stanza["type"] == "chat" and stanza["body"]:
            self.direct.append((stanza["from"].bare, stanza["body"], stanza.xml.find(DELAY) is not None))
            self.changed()

    def take_request(self, stanza):
        self.requests.append((stanza["from"].bare, stanza.xml.findtext(NICK)))
        self.changed()

    def take_copy(self, way, stanza):
        other = stanza["to" if way == "sent" else "from"]
        self.copies.append((way, other.bare, stanza["body"]))
        self.changed()

    def take_contact(self, stanza):
        sender = stanza["from"]
        if sender.domain == DOMAIN and sender != self.stream.boundjid:
            self.shown.append((f"{sender.local}/{sender.resource}", stanza["type"]))
            self.changed()

    def tell(self, nick, text, resource=None):
        """Says something to a person, or to one of their clients."""
        to = f"{nick}@{DOMAIN}/{resource}" if resource else f"{nick}@{DOMAIN}"
        self.stream.send_message(mto=to, mbody=text, mtype="chat")

    def show(self, show):
        """Says how reachable it is."""
        self.stream.send_presence(pshow=show)

    def show_in_room(self, show, status):
        """Says how reachable it is to the room alone."""
        self.stream.send_presence(pto=f"{self.room}/{self.nick}", pshow=show, pstatus=status)

    def ask_presence(self, nick, name):
        """Asks to see somebody's presence, and says by which name it goes."""
        self.stream.send_presence_subscription(pto=f"{nick}@{DOMAIN}", ptype="subscribe", pnick=name)

    async def wants_copies(self):
        await self.stream.plugin["xep_0280"].enable()

    async def meets(self, other):
        """Asks to see somebody's presence, who grants it and asks back, as the library does by itself; waits until both are shown the other."""
        self.stream.send_presence_subscription(pto=f"{other.nick}@{DOMAIN}", ptype="subscribe")
        for one, of in ((self, other), (other, self)):
            await one.until(lambda one=one, of=of: of.is_shown(one), f"it does not see {of}")

    def is_shown(self, other):
        """Whether another client has been shown this one as there."""
        ways = [way for client, way in other.shown if client == f"{self.nick}/{self.resource}"]
        return bool(ways) and ways[-1] != "unavailable"

    async def settled(self):
        """Waits until the node has dealt with all that was said before."""
        await self.stream.plugin["xep_0030"].get_info(jid=DOMAIN)

    def on_message(self, stanza):
        # What the room says itself comes from its bare address (XEP-0045 section 7.4) and is no one's message.
        if stanza["from"].bare != self.room.bare or not stanza["body"] or not stanza["from"].resource:
            return
        message = Message(stanza_id(stanza.xml, self.room.bare), stanza["from"].resource, stanza["body"])
        if message.nick == self.nick and stanza["id"]:
            self.acknowledged[stanza["id"]] = message
        self.saw(message)

    def send(self, text, id=None):
        """Speaks in the room and waits for nothing; the id, which is one that it has had before when something is said again."""
        stanza = self.stream.make_message(mto=self.room, mbody=text, mtype="groupchat")
        stanza["id"] = id = id or f"{self.nick}-{next(self.numbers)}"
        stanza.send()
        return id

    async def say(self, text):
        """Speaks in the room; the message, once it is reflected: durable at the node."""
        id = self.send(text)
        await self.until(lambda: self.lost or id in self.acknowledged, f"{text!r} is not reflected")
        if id not in self.acknowledged:
            raise ConnectionError(f"{self}: {self.lost}")
        return self.acknowledged[id]

    async def history(self):
        """All of the room's archive, oldest first, page by page."""
        messages = []
        async for result in self.stream.plugin["xep_0313"].iterate(jid=self.room, rsm={"max": PAGE}):
            message = archived(result)
            if messages and message.id <= messages[-1].id:
                raise AssertionError(f"{self}: {message} comes after {messages[-1]} in the archive")
            messages.append(message)
        return messages

    def close(self):
        """Hangs up, as on purpose."""
        self.lost = self.lost or "closed here"
        if self.stream:
            self.stream.cancel_connection_attempt()
            self.stream.abort()


def stanza_id(xml, room):
    """The id that the room gave a message (XEP-0359); of another `by` it is nobody's word."""
    ids = [element.get("id") for element in xml.iter(STANZA_ID) if element.get("by") == room]
    if len(ids) != 1:
        raise AssertionError(f"a message has {len(ids)} ids of its room")
    return ids[0]


def archived(result):
    forwarded = result["mam_result"]["forwarded"]["stanza"]
    return Message(result["mam_result"]["id"], JID(forwarded["from"]).resource, forwarded["body"])
