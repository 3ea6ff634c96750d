"""Streams that outlive their connections (XEP-0198), driven by a client that nobody here wrote."""

import asyncio
import unittest

from .irc_client import IrcClient
from .mesh import PASSWORD, Mesh
from .xmpp_client import XmppClient


class Resumption(unittest.IsolatedAsyncioTestCase):
    """Nodes a and b, a client of each protocol in the room."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.mesh = Mesh("a", "b")
        self.addAsyncCleanup(self.mesh.remove, self)
        await self.mesh.start()

    async def in_room(self, client, node):
        await self.mesh.log_in(client, node)
        await client.join()
        return client

    async def test_a_killed_connection_loses_nothing_and_says_nothing_twice(self):
        alice = await self.in_room(IrcClient("alice"), "a")
        bob = await self.in_room(XmppClient("bob", resumable=True), "b")
        carol = await self.in_room(XmppClient("carol"), "a")
        said = [await alice.say("before")]
        await bob.sees(said)

        for turn in range(3):
            await bob.cut_connection()
            said += [await alice.say(f"while he is gone {turn}"), await carol.say(f"and again {turn}")]
            await bob.resume(self.mesh.nodes["b"])
            said.append(await bob.say(f"I am back {turn}"))
            for client in (alice, bob, carol):
                await client.sees(said)
        for client in (alice, bob, carol):
            self.assertEqual(client.live[-len(said) :], said, f"{client} has missed something, or saw it twice")
        self.assertEqual(bob.twice(), [])
        self.assertEqual(bob.left, set(), "others saw him leave")
        self.assertEqual(carol.left, set(), "others saw somebody leave")

    async def test_what_was_on_its_way_when_the_connection_broke_is_said_once(self):
        alice = await self.in_room(IrcClient("alice"), "a")
        bob = await self.in_room(XmppClient("bob", resumable=True), "b")
        for number in range(20):
            bob.send(f"number {number}")
        # The library hands them to its socket in its own time, and what it has not by then it says on the next connection before it is
        # logged in. From the first answer on some are on their way both ways.
        await bob.all_sent()
        await bob.until(lambda: bob.acknowledged, "nothing is reflected")
        await bob.cut_connection()
        await bob.resume(self.mesh.nodes["b"])
        last = await bob.say("last")
        await alice.sees([last])
        texts = [message.text for message in alice.live if message.nick == "bob"]
        self.assertEqual(texts, [f"number {number}" for number in range(20)] + ["last"])

    async def test_at_another_node_the_client_starts_anew(self):
        alice = await self.in_room(IrcClient("alice"), "a")
        bob = await self.in_room(XmppClient("bob", resumable=True), "b")
        await bob.cut_connection()
        said = await alice.say("while he is gone")
        await bob.attempt(self.mesh.nodes["a"], PASSWORD)
        await bob.join()
        self.assertIn(said, await bob.history())
