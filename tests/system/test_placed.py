"""Rooms on as many nodes as the configuration has it by default: each lives on three and where its people are, of six; and of a node that joins."""

import asyncio
import time
import unittest

from .irc_client import IrcClient
from .mesh import Mesh
from .waiting import eventually
from .xmpp_client import XmppClient

HOMES = 3
# Messages of a room that a new node gets, and within how many seconds of its being told to join it shows the newest of them.
HISTORY = 20_000
SERVES_SECONDS = 10


class Placed(unittest.IsolatedAsyncioTestCase):
    """Nodes a1 and a2 in eu, b1 and b2 in us, c1 and c2 in ap; people at a1 only."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        names = ("a1", "a2", "b1", "b2", "c1", "c2")
        self.mesh = Mesh(*names, regions=("eu", "eu", "us", "us", "ap", "ap"), far="40ms", placed=True)
        self.addAsyncCleanup(self.mesh.remove, self)
        await self.mesh.start()
        self.clients = [IrcClient("alice"), XmppClient("bob")]
        for client in self.clients:
            await self.mesh.log_in(client, "a1")
            await client.join()
        self.said = [await client.say(f"{client} {number}") for number in range(20) for client in self.clients]
        await asyncio.gather(*(client.sees(self.said) for client in self.clients))

    async def holders(self):
        """The nodes that run and hold the room."""
        return {node.name for node in self.mesh.running() if (await node.status())["rooms"]}

    async def settled(self):
        """Waits until the room is on as many nodes as it is to be, and nobody has anything to hand over."""

        async def attempt():
            views = [await node.status() for node in self.mesh.running()]
            return len(await self.holders()) >= HOMES and not any(view["rooms_to_hand_over"] for view in views)

        await eventually(attempt, "the room is not where it is to be")
        return await self.holders()

    async def reads_all(self, name, node):
        """Somebody new at a node enters, reads all that was said, and is heard."""
        client = IrcClient(name)
        await self.mesh.log_in(client, node)
        await client.join()
        history = await eventually(client.history, f"no history at {node}")
        self.assertTrue({message.id for message in self.said} <= {message.id for message in history}, node)
        self.said.append(await client.say(f"{name} has read it"))
        await self.clients[0].sees(self.said[-1:])

    async def test_a_room_is_read_where_it_is_not_and_outlives_its_homes(self):
        holders = await self.settled()
        self.assertLessEqual(len(holders), HOMES + 1, "it is on its homes and where people are")
        without = sorted(set(self.mesh.nodes) - holders)
        await self.reads_all("carol", without[0])
        home = sorted(holders - {"a1"})[0]
        self.mesh.nodes[home].kill()
        await self.reads_all("dave", without[1])
        self.assertIsNone(self.clients[0].lost)

    async def test_a_node_is_emptied_before_it_is_thrown_out(self):
        holders = await self.settled()
        home = self.mesh.nodes[sorted(holders - {"a1"})[0]]
        first = self.mesh.nodes["a1"]
        first.run("node", "drain", home.name)
        self.assertIn("draining", first.run("node", "list"))

        async def handed_over():
            view = await home.status()
            return len(await self.holders() - {home.name}) >= HOMES and not view["rooms_to_hand_over"]

        await eventually(handed_over, "the room is not handed over")
        first.run("node", "revoke", home.name)
        home.kill()
        for name in sorted(holders - {"a1", home.name}):
            self.mesh.nodes[name].kill()
        # What is left is who took over, and those who never had it.
        await self.reads_all("erin", sorted(node.name for node in self.mesh.running() if node is not first)[0])


class Cold(unittest.IsolatedAsyncioTestCase):
    """Nodes a and b, and one that joins when there is much history."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.mesh = Mesh("a", "b", "cold", placed=True)
        self.cold = self.mesh.nodes.pop("cold")
        self.addAsyncCleanup(self.mesh.remove, self)
        self.mesh.nodes["a"].far = ["--no-flood-limit"]
        await self.mesh.start()

    async def test_a_node_that_joins_soon_has_and_serves_all(self):
        scribe = await self.mesh.enter(IrcClient("scribe"), "a")
        scribe.connection.send_raw(f"MODE {scribe.channel} +b $a:mallory")
        for number in range(HISTORY):
            scribe.connection.send_raw(f"PRIVMSG {scribe.channel} :{number} {number * 7919 % 104729} of what was said long ago")
            if number % 200 == 0:
                await scribe.ask(f"PING {number}", "pong")
        last = await scribe.say("the last of it")
        for name in ("reader", "mallory"):
            await self.mesh.log_in(IrcClient(name), "b")
        await self.mesh.converged()

        self.mesh.nodes["cold"] = self.cold
        began = time.monotonic()
        await self.mesh.join(self.cold)
        await self.mesh.converged()
        mallory = IrcClient("mallory")
        await self.mesh.log_in(mallory, "cold")
        await mallory.ask(f"JOIN {mallory.channel}", "bannedfromchan")
        reader = await self.mesh.enter(IrcClient("reader"), "cold")
        self.assertEqual((await reader.page(f"LATEST {reader.channel} * 20"))[-1], last)
        self.assertLess(time.monotonic() - began, SERVES_SECONDS)
        await scribe.sees([await reader.say("read")])
        await self.mesh.converged()
        oldest = await reader.page(f"AFTER {reader.channel} timestamp=1970-01-01T00:00:00.000Z 20")
        self.assertEqual([message.text.split(" ")[0] for message in oldest], [str(number) for number in range(20)])
        for client in (scribe, reader):
            self.assertIsNone(client.lost, f"{client} was disconnected")
            self.assertEqual(client.twice(), [], f"{client} saw messages twice")


if __name__ == "__main__":
    unittest.main()
