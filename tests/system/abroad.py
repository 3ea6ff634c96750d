"""People of two domains, each on slixmpp, and a component on it; told what they see."""

import logging

import slixmpp

from .waiting import Watched

logging.getLogger("slixmpp").setLevel(logging.CRITICAL)


class Person(Watched):
    """One account's client."""

    PLUGINS = ("xep_0030", "xep_0045", "xep_0092", "xep_0199", "xep_0313")

    def __init__(self, jid):
        super().__init__()
        self.jid = slixmpp.JID(jid)
        self.nick = self.jid.user
        self.state = "new"
        self.lost = None
        self.messages = []
        self.presences = []
        self.stream = None

    def __repr__(self):
        return str(self.jid)

    async def attempt(self, node, password):
        """Connects to a node, or whatever has an address and says whom to trust, and logs in."""
        self.lost, self.state = None, "connecting"
        self.stream = stream = slixmpp.ClientXMPP(f"{self.jid}/test", password, ssl_context=node.trusted())
        stream.enable_direct_tls = False
        for plugin in self.PLUGINS:
            stream.register_plugin(plugin)
        # Requests are answered one by one here.
        stream.auto_authorize, stream.auto_subscribe = None, False
        stream.add_event_handler("session_start", lambda _: self.becomes("started"))
        stream.add_event_handler("failed_all_auth", lambda _: self.becomes("refused"))
        stream.add_event_handler("connection_failed", lambda reason: self.becomes(f"not connected: {reason}"))
        for event in ("message", "groupchat_message", "message_error", "user_tune_publish"):
            stream.add_event_handler(event, lambda stanza: self.keep(self.messages, stanza))
        handler = slixmpp.xmlstream.handler.Callback(
            "presences",
            slixmpp.xmlstream.matcher.StanzaPath("presence"),
            lambda stanza: self.keep(self.presences, stanza),
        )
        stream.register_handler(handler)
        stream.connect(node.address, 5222)
        await self.until(lambda: self.state != "connecting", "no session")
        if self.state != "started":
            self.close()
            raise ConnectionRefusedError(f"{self}: {self.state}")
        stream.send_presence()
        return True

    def becomes(self, state):
        self.state = state
        self.changed()

    def keep(self, kept, stanza):
        kept.append(stanza)
        self.changed()

    def close(self):
        if self.stream:
            self.stream.abort()

    def tell(self, to, text):
        self.stream.send_message(mto=str(to), mbody=text, mtype="chat")

    async def hears(self, text, sender):
        """Waits for a message with this text, from an address that begins so."""

        def heard():
            said = [stanza for stanza in self.messages if stanza["body"] == text]
            return next((stanza for stanza in said if str(stanza["from"]).startswith(sender)), None)

        return await self.until(heard, lambda: f"{text!r} of {sender}; heard {[str(m) for m in self.messages[-4:]]}")

    async def sees(self, kind, sender):
        """Waits for a presence of this type, from an address that begins so."""

        def seen():
            wanted = (stanza for stanza in self.presences if stanza["type"] == kind)
            return next((stanza for stanza in wanted if str(stanza["from"]).startswith(sender)), None)

        return await self.until(seen, lambda: f"{kind} of {sender}; saw {[str(p) for p in self.presences[-6:]]}")

    async def join(self, room):
        """Comes in; a room that is new is taken as it is."""
        presence, *_ = await self.stream.plugin["xep_0045"].join_muc_wait(
            slixmpp.JID(room), self.nick, maxstanzas=0, timeout=30
        )
        status = "{http://jabber.org/protocol/muc#user}status"
        if any(code.get("code") == "201" for code in presence.xml.iter(status)):
            owner = self.stream.make_iq_set(ito=room)
            form = slixmpp.xmlstream.ET.fromstring(
                "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>"
            )
            owner.xml.append(form)
            await owner.send(timeout=30)

    def say(self, room, text):
        self.stream.send_message(mto=room, mbody=text, mtype="groupchat")


class Listener(Person):
    """One who says what they listen to, and is told what others do (XEP-0118)."""

    PLUGINS = (*Person.PLUGINS, "xep_0115", "xep_0163", "xep_0118")

    def listens_to(self, title):
        return self.stream.plugin["xep_0118"].publish_tune(title=title)

    async def is_told(self, title, sender):
        """Waits to be told what somebody listens to."""

        def told():
            items = (stanza for stanza in self.messages if stanza["from"].bare == sender)
            return any(stanza["pubsub_event"]["items"]["item"]["tune"]["title"] == title for stanza in items)

        await self.until(told, lambda: f"{title!r} of {sender}; heard {[str(m) for m in self.messages[-4:]]}")


class Echo(Watched):
    """A component that says back what it is told."""

    def __init__(self, domain, secret):
        super().__init__()
        self.started = False
        self.stream = slixmpp.ComponentXMPP(domain, secret)
        self.stream.add_event_handler("session_start", self.on_start)
        self.stream.add_event_handler("message", self.on_message)

    async def start(self, address, port):
        self.stream.connect(address, port)
        await self.until(lambda: self.started, "the component is not let in")

    def on_start(self, _):
        self.started = True
        self.changed()

    def on_message(self, stanza):
        if stanza["body"] and stanza["type"] != "error":
            stanza.reply(f"you said: {stanza['body']}").send()

    def close(self):
        self.stream.abort()


class PushService(Echo):
    """A component that is told when somebody is to be woken (XEP-0357)."""

    PUBSUB = "{http://jabber.org/protocol/pubsub}"

    def __init__(self, domain, secret):
        super().__init__(domain, secret)
        self.woken = []
        handler = slixmpp.xmlstream.handler.Callback(
            "notifications",
            slixmpp.xmlstream.matcher.MatchXPath(f"{{jabber:component:accept}}iq/{self.PUBSUB}pubsub"),
            self.on_notification,
        )
        self.stream.register_handler(handler)

    def on_notification(self, iq):
        publish = iq.xml.find(f"{self.PUBSUB}pubsub/{self.PUBSUB}publish")
        self.woken.append((iq["from"].bare, publish.get("node"), slixmpp.xmlstream.tostring(iq.xml)))
        iq.reply(clear=True).send()
        self.changed()
