"""Other servers: a mesh of two nodes and a Prosody, whose people write to one another and meet in rooms of both; and a component."""

import asyncio
import unittest

import slixmpp

from . import prosody
from .abroad import Echo, Listener, Person, PushService
from .irc_client import IrcClient
from .mesh import PASSWORD, Mesh
from .names import Names
from .network import CLIENTS, Network
from .prosody import Authority, Prosody
from .talk import DOMAIN, ROOM
from .waiting import eventually

ROOMS = f"rooms.{DOMAIN}"
GUESTS = f"guests.{DOMAIN}"
SECRET = "open sesame"
ECHO = f"echo.{DOMAIN}"


class Abroad(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.network = Network(("a", "b", "prosody"))
        self.mesh = Mesh("a", "b", network=self.network)
        self.addAsyncCleanup(self.mesh.remove, self)
        addresses = self.network.addresses
        hosts = {f"{name}.{DOMAIN}": addresses[name] for name in self.mesh.nodes}
        hosts |= {f"host.{prosody.DOMAIN}": addresses["prosody"]}
        ours = [(1, f"a.{DOMAIN}", 5269), (2, f"b.{DOMAIN}", 5269)]
        theirs = [(1, f"host.{prosody.DOMAIN}", 5269)]
        services = {("_xmpp-server", domain): ours for domain in (DOMAIN, ROOMS, GUESTS)}
        services |= {("_xmpp-server", domain): theirs for domain in (prosody.DOMAIN, prosody.ROOMS)}
        self.names = Names(hosts, services)
        await self.names.start(CLIENTS)
        self.addCleanup(self.names.stop)
        self.authority = Authority(self.mesh.directory)

    def settle(self, node, certified, settings):
        """Gives a node its certificate and its lines."""
        data = node.directory / "data"
        self.authority.sign(data, DOMAIN, ROOMS, GUESTS, known=certified)
        chain = (data / "cert.pem").read_text() + (self.authority.certificate.read_text() if certified else "")
        (data / "client-cert.pem").write_text(chain)
        (data / "key.pem").replace(data / "client-key.pem")
        node.configure(settings.format(address=node.address, authority=self.authority.certificate))

    async def start(self, certified=True, settings=""):
        lines = 'xmpp-server = "{address}:5269"\nserver-authority = "{authority}"\n' + settings
        first, second = self.mesh.nodes.values()
        first.run("init", DOMAIN, *first.place)
        self.settle(first, certified, lines)
        await first.start()
        await self.mesh.join(second, lambda: self.settle(second, certified, lines))
        await self.mesh.connected()
        self.prosody = Prosody(self.network, "prosody", self.mesh.directory, self.authority, certified)
        self.addCleanup(self.prosody.stop)
        await self.prosody.start()

    async def ours(self, name, node, kind=Person):
        person = kind(f"{name}@{DOMAIN}")
        await self.mesh.log_in(person, node)
        return person

    async def theirs(self, name, kind=Person):
        self.prosody.register(name, PASSWORD)
        person = kind(f"{name}@{prosody.DOMAIN}")
        self.addCleanup(person.close)
        await person.attempt(self.prosody, PASSWORD)
        return person

    async def both_ways(self, romeo, juliet, mark=""):
        romeo.tell(juliet.jid, f"but soft{mark}")
        heard = await juliet.hears(f"but soft{mark}", str(romeo.jid))
        self.assertEqual(heard["from"].resource, "test")
        juliet.tell(romeo.jid, f"ay me{mark}")
        await romeo.hears(f"ay me{mark}", str(juliet.jid))

    async def in_our_room(self, juliet, alice):
        room = f"{ROOM}@{ROOMS}"
        await alice.join()
        # Or both of them would make the room.
        await self.mesh.converged()
        await juliet.join(room)
        await alice.until(lambda: self.came(alice, juliet.nick), "juliet does not come in")
        juliet.say(room, "from another server")
        await alice.until(lambda: "from another server" in self.texts(alice), "juliet is not heard")
        said = await alice.say("from another protocol")
        await juliet.hears("from another protocol", f"{room}/{alice.nick}")
        await juliet.hears("from another server", f"{room}/{juliet.nick}")
        return said

    @staticmethod
    def texts(client):
        return [message.text for message in client.live]

    @staticmethod
    def told(irc, nick, text):
        said = (event for event in irc.log if event.type == "privmsg" and event.source.startswith(f"{nick}!"))
        return any(event.arguments[0] == text for event in said)

    @staticmethod
    def came(irc, nick):
        return any(event.type == "join" and event.source.startswith(f"{nick}!") for event in irc.log)

    async def test_people_of_two_servers_write_and_meet(self):
        await self.start()
        romeo, juliet = await self.ours("romeo", "a"), await self.theirs("juliet")
        await self.both_ways(romeo, juliet)

        with self.subTest("each sees the other's presence once it is granted"):
            romeo.stream.send_presence_subscription(pto=juliet.jid, ptype="subscribe")
            await juliet.sees("subscribe", str(romeo.jid))
            juliet.stream.send_presence_subscription(pto=romeo.jid, ptype="subscribed")
            await romeo.sees("subscribed", str(juliet.jid))
            await romeo.sees("available", f"{juliet.jid}/test")
            juliet.stream.send_presence_subscription(pto=romeo.jid, ptype="subscribe")
            await romeo.sees("subscribe", str(juliet.jid))
            romeo.stream.send_presence_subscription(pto=juliet.jid, ptype="subscribed")
            await juliet.sees("available", f"{romeo.jid}/test")
            romeo.stream.send_presence(pshow="dnd")
            await juliet.sees("dnd", f"{romeo.jid}/test")
            juliet.stream.send_presence(pshow="away")
            await romeo.sees("away", f"{juliet.jid}/test")

        with self.subTest("questions are answered"):
            await romeo.stream.plugin["xep_0199"].ping(prosody.DOMAIN, timeout=30)
            version = await juliet.stream.plugin["xep_0092"].get_version(f"{romeo.jid}/test", timeout=30)
            self.assertEqual(version["software_version"]["name"], "Slixmpp")
            info = await juliet.stream.plugin["xep_0030"].get_info(jid=ROOMS, timeout=30)
            self.assertIn("http://jabber.org/protocol/muc", info["disco_info"]["features"])

        with self.subTest("ours in a room of theirs"):
            room = f"stage@{prosody.ROOMS}"
            await juliet.join(room)
            await romeo.join(room)
            romeo.say(room, "hark")
            await juliet.hears("hark", f"{room}/romeo")
            juliet.say(room, "what light")
            await romeo.hears("what light", f"{room}/juliet")

        with self.subTest("theirs in a room of ours, with somebody on IRC at another node"):
            alice = IrcClient("alice")
            await self.mesh.log_in(alice, "b")
            await self.in_our_room(juliet, alice)

        with self.subTest("theirs and somebody on IRC write to one another"):
            alice.connection.send_raw(f"PRIVMSG {juliet.jid} :by address")
            heard = await juliet.hears("by address", f"alice@{DOMAIN}")
            juliet.tell(heard["from"].bare, "by name")
            await alice.until(lambda: self.told(alice, "juliet", "by name"), "alice is not told")

        with self.subTest("what was said is in the archive"):
            texts = [
                result["mam_result"]["forwarded"]["stanza"]["body"]
                async for result in romeo.stream.plugin["xep_0313"].iterate(with_jid=juliet.jid)
            ]
            self.assertEqual(texts, ["but soft", "ay me"])

        log = self.prosody.log()
        self.assertIn("SASL EXTERNAL", log)
        self.assertNotIn("dialback", "".join(line for line in log.splitlines() if "verify" in line))

    async def see_one_another(self, one, other):
        for asker, asked in ((one, other), (other, one)):
            asker.stream.send_presence_subscription(pto=asked.jid, ptype="subscribe")
            await asked.sees("subscribe", str(asker.jid))
            asked.stream.send_presence_subscription(pto=asker.jid, ptype="subscribed")
            await asker.sees("available", f"{asked.jid}/test")

    async def test_each_is_told_what_the_other_publishes(self):
        await self.start()
        romeo, juliet = await self.ours("romeo", "b", Listener), await self.theirs("juliet", Listener)
        await romeo.listens_to("Queen Mab")
        await self.see_one_another(romeo, juliet)
        await juliet.is_told("Queen Mab", str(romeo.jid))
        await juliet.listens_to("The Nightingale")
        await romeo.is_told("The Nightingale", str(juliet.jid))
        await romeo.listens_to("The Lark")
        await juliet.is_told("The Lark", str(romeo.jid))

    async def test_servers_without_certificates_prove_themselves_by_dialback(self):
        await self.start(certified=False, settings="server-dialback = true\n")
        romeo, juliet = await self.ours("romeo", "b"), await self.theirs("juliet")
        await self.both_ways(romeo, juliet)
        alice = IrcClient("alice")
        await self.mesh.log_in(alice, "b")
        await self.in_our_room(juliet, alice)
        self.assertIn("jabber:server:dialback", self.prosody.log())

    async def test_tls_may_come_first(self):
        for domain, host in ((DOMAIN, f"a.{DOMAIN}"), (ROOMS, f"a.{DOMAIN}"), (prosody.DOMAIN, f"host.{prosody.DOMAIN}")):
            self.names.services[("_xmpps-server", domain)] = [(1, host, 5270)]
            del self.names.services[("_xmpp-server", domain)]
        await self.start(settings='xmpp-server-tls = "{address}:5270"\n')
        romeo, juliet = await self.ours("romeo", "a"), await self.theirs("juliet")
        await self.both_ways(romeo, juliet)

    async def test_a_room_of_theirs_is_told_of_who_goes_without_a_word(self):
        await self.start()
        romeo, juliet = await self.ours("romeo", "a"), await self.theirs("juliet")
        room = f"stage@{prosody.ROOMS}"
        await juliet.join(room)
        await romeo.join(room)
        await juliet.sees("available", f"{room}/romeo")
        self.mesh.nodes["a"].process.terminate()
        await juliet.sees("unavailable", f"{room}/romeo")

    async def test_who_is_not_welcome_is_told_so(self):
        await self.start(settings=f'server-block = ["{prosody.DOMAIN}"]\n')
        romeo, juliet = await self.ours("romeo", "a"), await self.theirs("juliet")
        for person, other in ((romeo, juliet), (juliet, romeo)):
            person.tell(other.jid, "hello")
            await person.until(
                lambda person=person: any(stanza["type"] == "error" for stanza in person.messages), "no error comes back"
            )
        self.assertFalse([stanza for stanza in romeo.messages + juliet.messages if stanza["type"] == "chat"])

    async def test_any_node_holds_the_link(self):
        await self.start()
        romeo, juliet = await self.ours("romeo", "b"), await self.theirs("juliet")
        await self.both_ways(romeo, juliet)
        self.mesh.nodes["a"].kill()
        await self.both_ways(romeo, juliet, " again")

    async def test_a_component_is_there_for_every_node(self):
        component = f'xmpp-component = "{{address}}:5347"\n[[component]]\ndomain = "{ECHO}"\nsecret = "{SECRET}"\n'
        await self.start(settings=component)
        refused = Echo(ECHO, "guessed")
        refused.stream.connect(self.mesh.nodes["a"].address, 5347)
        echo = Echo(ECHO, SECRET)
        self.addCleanup(echo.close)
        await echo.start(self.mesh.nodes["a"].address, 5347)
        self.assertFalse(refused.started)
        refused.close()
        for name, node in (("romeo", "a"), ("rosaline", "b")):
            person = await self.ours(name, node)
            person.tell(f"bot@{ECHO}", "wherefore")
            await person.hears("you said: wherefore", f"bot@{ECHO}")

    async def test_who_is_away_is_woken_by_a_service_whichever_node_it_is_at(self):
        component = f'xmpp-component = "{{address}}:5347"\n[[component]]\ndomain = "{ECHO}"\nsecret = "{SECRET}"\n'
        await self.start(settings=component)
        service = PushService(ECHO, SECRET)
        self.addCleanup(service.close)
        await service.start(self.mesh.nodes["a"].address, 5347)
        romeo, rosaline = await self.ours("romeo", "a"), await self.ours("rosaline", "b")
        enable = romeo.stream.make_iq_set()
        enable.xml.append(
            slixmpp.xmlstream.ET.fromstring(f"<enable xmlns='urn:xmpp:push:0' jid='{ECHO}' node='phone'/>")
        )
        await enable.send(timeout=30)
        romeo.stream.send_raw("<inactive xmlns='urn:xmpp:csi:0'/>")
        await romeo.stream.plugin["xep_0199"].ping(DOMAIN)
        rosaline.tell(f"romeo@{DOMAIN}", "nobody looks")
        await service.until(lambda: service.woken, "he is not woken by his own node")
        romeo.close()

        async def woken_by_the_other():
            # It takes a moment until that node knows that he is gone.
            rosaline.tell(f"romeo@{DOMAIN}", "nobody is there")
            await rosaline.stream.plugin["xep_0199"].ping(DOMAIN)
            return len(service.woken) > 1

        await eventually(woken_by_the_other, "he is not woken by the other node")
        for account, node, text in service.woken:
            self.assertEqual((account, node), (f"romeo@{DOMAIN}", "phone"))
            self.assertNotIn("nobody", text)
