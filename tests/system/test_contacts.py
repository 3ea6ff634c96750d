"""Contacts, and the clients of one account, at different nodes: presence (RFC 6121 section 4) and copies of messages (XEP-0280)."""

import asyncio
import unittest

from .mesh import Mesh
from .xmpp_client import XmppClient

ALICE, BOB = "alice@chat.example", "bob@chat.example"


class Contacts(unittest.IsolatedAsyncioTestCase):
    """Nodes a, b and c; Bob's phone at a, his desk at b, Alice at c."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.mesh = Mesh("a", "b", "c")
        self.addAsyncCleanup(self.mesh.remove, self)
        await self.mesh.start()
        self.phone, self.desk = XmppClient("bob", resource="phone"), XmppClient("bob", resource="desk")
        self.alice = XmppClient("alice")
        for client, node in ((self.phone, "a"), (self.desk, "b"), (self.alice, "c")):
            await self.mesh.log_in(client, node)
            await client.wants_copies()
        await self.phone.meets(self.alice)
        await self.desk.until(lambda: self.alice.is_shown(self.desk), "the desk does not see Alice")
        await self.alice.until(lambda: self.desk.is_shown(self.alice), "Alice does not see the desk")
        for one, other in ((self.phone, self.desk), (self.desk, self.phone)):
            await one.until(lambda one=one, other=other: other.is_shown(one), f"it does not see {other}")
        await self.nothing_more()
        for client in (self.phone, self.desk, self.alice):
            client.shown.clear()

    async def nothing_more(self):
        """Waits until everything that is on its way must have come: what is said now comes behind it."""
        await self.mesh.converged()
        for client in (self.phone, self.desk, self.alice):
            if not client.lost:
                await client.settled()
        self.alice.tell("bob", "last")
        for client in (self.phone, self.desk):
            if not client.lost:
                await client.until(lambda client=client: client.direct and client.direct[-1][1] == "last", "no last word")
                client.direct.pop()
                await client.settled()
        await self.alice.settled()

    async def test_presence_and_copies_come_once_at_every_node(self):
        phone, desk, alice = self.phone, self.desk, self.alice
        alice.show("away")
        for client in (phone, desk):
            await client.until(lambda client=client: client.shown, "Alice is not shown away")
        phone.tell("alice", "from the phone")
        await desk.until(lambda: desk.copies, "no copy of what the phone said")
        alice.tell("bob", "to the phone alone", "phone")
        await desk.until(lambda: len(desk.copies) > 1, "no copy of what the phone was told")
        alice.tell("bob", "to whoever is there")
        await self.nothing_more()

        self.assertEqual(phone.shown, [("alice/test", "away")])
        self.assertEqual(desk.shown, [("alice/test", "away")])
        self.assertEqual(alice.direct, [(BOB, "from the phone", False)])
        said = [("sent", ALICE, "from the phone"), ("received", ALICE, "to the phone alone")]
        self.assertEqual(desk.copies, said)
        self.assertEqual(phone.copies, [])
        self.assertEqual([text for _, text, _ in phone.direct], ["to the phone alone", "to whoever is there"])
        self.assertEqual([text for _, text, _ in desk.direct], ["to whoever is there"])

        phone.close()
        for client in (desk, alice):
            await client.until(lambda client=client: client.shown[-1:] == [("bob/phone", "unavailable")], "it is not gone")
        await self.nothing_more()
        self.assertEqual(desk.shown, [("alice/test", "away"), ("bob/phone", "unavailable")])
        self.assertEqual(alice.shown, [("bob/phone", "unavailable")])

    async def test_through_a_cut_nothing_is_lost_and_nothing_comes_twice(self):
        phone, desk, alice = self.phone, self.desk, self.alice
        self.mesh.network.cut_off("a")
        await self.mesh.knows_cut("a")
        alice.show("dnd")
        alice.tell("bob", "from here")
        await desk.until(lambda: desk.direct, "the desk is not told")
        phone.tell("alice", "from behind the cut")
        await phone.settled()
        self.assertEqual(phone.direct + phone.shown + alice.direct, [])

        self.mesh.network.heal("a")
        await self.mesh.connected()
        await phone.until(lambda: phone.shown and phone.direct, lambda: f"the phone has {phone.shown} and {phone.direct}")
        await alice.until(lambda: alice.direct, "Alice is not told")
        await desk.until(lambda: desk.copies, "no copy of what the phone said")
        await self.nothing_more()
        self.assertEqual(phone.shown, [("alice/test", "dnd")])
        self.assertEqual(desk.shown, [("alice/test", "dnd")])
        self.assertEqual(alice.shown, [], "nobody has gone")
        self.assertEqual([text for _, text, _ in phone.direct], ["from here"])
        self.assertEqual([text for _, text, _ in desk.direct], ["from here"])
        self.assertEqual([text for _, text, _ in alice.direct], ["from behind the cut"])
        self.assertEqual(desk.copies, [("sent", ALICE, "from behind the cut")])
        self.assertEqual(phone.copies, [])

    async def test_what_is_said_of_oneself_in_a_room_is_for_the_room_at_every_node(self):
        phone, desk, alice = self.phone, self.desk, self.alice
        await alice.join()
        # Nobody comes into a room that its owner has not configured yet.
        await self.mesh.converged()
        await phone.join()
        await alice.until(lambda: "bob" in alice.occupants, "Alice does not see him in the room")
        phone.show_in_room("xa", "tea")
        await alice.until(lambda: alice.occupants["bob"] == ("xa", "tea"), lambda: f"she sees {alice.occupants}")
        await self.nothing_more()
        self.assertEqual(alice.shown + desk.shown, [], "it is nobody's else")
        phone.show("dnd")
        await alice.until(lambda: alice.occupants["bob"] == ("dnd", ""), lambda: f"she sees {alice.occupants}")
        await alice.until(lambda: alice.shown, "a contact is not shown")

    async def test_who_asks_goes_by_the_name_they_gave_at_whatever_node(self):
        dora = XmppClient("dora")
        await self.mesh.log_in(dora, "b")
        dora.close()
        self.alice.ask_presence("dora", "Alice of the looking-glass")
        await self.alice.settled()
        await self.mesh.converged()
        await self.mesh.log_in(dora, "a")
        await dora.until(lambda: dora.requests, "she is not asked")
        self.assertEqual(dora.requests, [(ALICE, "Alice of the looking-glass")])
        await dora.until(lambda: self.alice.is_shown(dora), "she does not see who asked")

    async def test_who_dies_with_their_node_is_gone_once_and_back_at_another(self):
        phone, desk, alice = self.phone, self.desk, self.alice
        self.mesh.nodes["a"].kill()
        await phone.until(lambda: phone.lost, "its connection stays")
        alice.tell("bob", "while the phone has no node")
        await desk.until(lambda: desk.direct, "the desk is not told")
        await self.mesh.log_in(phone, "b")
        await phone.wants_copies()
        await phone.until(lambda: alice.is_shown(phone), "it does not see Alice")
        desk.tell("alice", "from the desk")
        await phone.until(lambda: phone.copies, "no copy of what the desk said")
        await self.nothing_more()
        ways = [way for client, way in alice.shown if client == "bob/phone"]
        self.assertIn(ways, (["available"], ["unavailable", "available"]))
        self.assertEqual([text for _, text, _ in alice.direct], ["from the desk"])
        self.assertEqual([text for _, text, _ in desk.direct], ["while the phone has no node"])
        self.assertEqual(phone.copies, [("sent", ALICE, "from the desk")])


if __name__ == "__main__":
    unittest.main()
