"""Streams that outlive their connections (XEP-0198), driven by a client that nobody here wrote."""

import asyncio
import unittest

from .irc_client import IrcClient
from .mesh import PASSWORD, Mesh
from .waiting import eventually
from .xmpp_client import XmppClient


class Resumption(unittest.IsolatedAsyncioTestCase):
    """Nodes a, b and c, clients of each protocol in the room."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.mesh = Mesh("a", "b", "c")
        self.addAsyncCleanup(self.mesh.remove, self)
        await self.mesh.start()

    async def test_a_killed_connection_loses_nothing_and_says_nothing_twice(self):
        alice = await self.mesh.enter(IrcClient("alice"), "a")
        bob = await self.mesh.enter(XmppClient("bob", resumable=True), "b")
        carol = await self.mesh.enter(XmppClient("carol"), "a")
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
        alice = await self.mesh.enter(IrcClient("alice"), "a")
        bob = await self.mesh.enter(XmppClient("bob", resumable=True), "b")
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
        alice = await self.mesh.enter(IrcClient("alice"), "a")
        bob = await self.mesh.enter(XmppClient("bob", resumable=True), "b")
        await bob.cut_connection()
        said = await alice.say("while he is gone")
        await bob.attempt(self.mesh.nodes["a"], PASSWORD)
        await bob.join()
        self.assertIn(said, await bob.history())

    async def test_a_node_dies_and_at_another_one_nothing_is_missing_and_nothing_comes_twice(self):
        alice = await self.mesh.enter(IrcClient("alice"), "b")
        bob = await self.mesh.enter(XmppClient("bob", resumable=True), "a")
        carol = await self.mesh.enter(XmppClient("carol"), "c")
        said = [await alice.say("before"), await carol.say("and this")]
        await bob.sees(said)
        carol.tell("bob", "while he is there")
        await bob.until(lambda: bob.direct, "he is not told")

        # What he has said he says again later, as who never heard of it.
        mine = bob.send("did I say this?")
        await bob.until(lambda: mine in bob.acknowledged, "it is not reflected")
        said.append(bob.acknowledged[mine])
        await bob.cut_connection()
        for number in range(3):
            carol.tell("bob", f"while he is away {number}")
            said.append(await alice.say(f"in the room {number}"))
        await carol.settled()
        await self.mesh.converged()
        self.mesh.nodes["a"].kill()
        await self.knows_dead("a")
        carol.tell("bob", "while the node is dead")
        await carol.settled()
        said.append(await carol.say("the node is dead"))

        await bob.start_over(self.mesh.nodes["c"])
        await bob.until(lambda: len(bob.direct) >= 5, lambda: f"he is told only {bob.direct}")
        await bob.join()
        bob.send("did I say this?", mine)
        last = await bob.say("last")
        await alice.sees([last])
        await carol.sees([last])
        wanted = ["while he is there", *(f"while he is away {number}" for number in range(3)), "while the node is dead"]
        self.assertEqual([text for _, text, _ in bob.direct], wanted)
        for client in (alice, carol):
            texts = [message.text for message in client.live]
            self.assertEqual(texts.count("did I say this?"), 1, f"{client}: {texts}")
        history = await bob.history()
        self.assertEqual([message for message in history if message in said], said)
        self.assertEqual(len({message.id for message in history}), len(history))

    async def test_from_behind_a_cut_to_another_node_nothing_is_missing_and_nothing_comes_twice(self):
        alice = await self.mesh.enter(IrcClient("alice"), "b")
        bob = await self.mesh.enter(XmppClient("bob", resumable=True), "a")
        carol = await self.mesh.enter(XmppClient("carol"), "c")
        said = [await alice.say("before"), await bob.say("and this")]
        await carol.sees(said)
        carol.tell("bob", "while he is there")
        await bob.until(lambda: bob.direct, "he is not told")
        await bob.settled()

        self.mesh.network.cut_off("a")
        await self.is_out_of_reach("a")
        # What his node has heard from him there, and nobody else.
        said.append(await bob.say("from behind the cut"))
        bob.tell("carol", "from behind the cut too")
        await bob.settled()
        await bob.cut_connection()
        carol.tell("bob", "while he is behind the cut")
        said.append(await alice.say("in the room"))
        await bob.start_over(self.mesh.nodes["c"])
        # From here on it is another place in the room, which is shown what others there are.
        bob.live.clear()
        await bob.until(lambda: len(bob.direct) >= 2, lambda: f"he is told only {bob.direct}")
        await bob.join()
        said.append(await bob.say("I am back"))
        for client in (alice, carol):
            await client.sees(said[-1:])

        self.mesh.network.heal("a")
        await self.mesh.connected()
        await self.mesh.converged()
        for client in (alice, carol):
            await client.sees(said)
        await carol.until(lambda: carol.direct, "she is not told")
        carol.tell("bob", "after the cut")
        await bob.until(lambda: len(bob.direct) >= 3, lambda: f"he is told only {bob.direct}")
        last = await bob.say("last")
        for client in (alice, carol):
            await client.sees([last])
        await bob.settled()
        self.assertEqual([text for _, text, _ in bob.direct], ["while he is there", "while he is behind the cut", "after the cut"])
        self.assertEqual([text for _, text, _ in carol.direct], ["from behind the cut too"])
        for client in (alice, bob, carol):
            self.assertEqual(client.twice(), [], client)
        self.assertEqual(carol.left, set(), "others saw him leave")
        history = await bob.history()
        self.assertEqual({message for message in history if message in said}, set(said))
        self.assertEqual(len({message.id for message in history}), len(history))

    async def is_out_of_reach(self, name):
        """Waits until all others hold the node to be out of reach, and so its clients to be as good as gone."""
        others = [node for node in self.mesh.nodes.values() if node.name != name]

        async def attempt():
            peers = [peer for node in others for peer in (await node.status())["peers"] if peer["name"] == name]
            return not any(peer["in_reach"] for peer in peers)

        await eventually(attempt, f"the cut around {name} is not noticed")

    async def knows_dead(self, name):
        others = self.mesh.running()

        async def attempt():
            return not any([(await node.peers())[name] for node in others])

        await eventually(attempt, f"the death of {name} is not noticed")
