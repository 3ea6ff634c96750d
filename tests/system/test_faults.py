"""Ways that lose packets or carry them in one direction only, a node that stands still, and a mesh that starts from nothing."""

import asyncio
import unittest

from .irc_client import IrcClient
from .mesh import Mesh
from .waiting import eventually
from .xmpp_client import XmppClient


class Faults(unittest.IsolatedAsyncioTestCase):
    """Nodes a, b and c in three regions, with somebody at each who has heard the others."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.mesh = Mesh("a", "b", "c")
        self.addAsyncCleanup(self.mesh.remove, self)
        await self.mesh.start()
        self.clients = [IrcClient("alice"), XmppClient("bob"), IrcClient("carol")]
        for client, node in zip(self.clients, "abc"):
            await self.mesh.log_in(client, node)
            await client.join()
        self.said = []
        await self.talk("at first", 1)
        await self.all_see()

    async def talk(self, about, count):
        self.said += [await client.say(f"{about}: {client} {number}") for number in range(count) for client in self.clients]

    async def all_see(self):
        await asyncio.gather(*(client.sees(self.said) for client in self.clients))

    def undisturbed(self):
        for client in self.clients:
            self.assertIsNone(client.lost, f"{client} was disconnected")
            self.assertEqual(client.twice(), [], f"{client} saw messages twice")

    async def test_ways_that_lose_a_fifth_of_the_packets(self):
        for name in self.mesh.nodes:
            self.mesh.network.lose(name, 20)
        await self.talk("over bad ways", 20)
        await self.all_see()
        await self.mesh.converged()
        self.undisturbed()

    async def test_a_way_that_carries_one_direction_only(self):
        self.mesh.network.deafen("c", "a")

        async def noticed():
            view = await self.mesh.nodes["a"].peers()
            return not view["c"] and view["b"]

        await eventually(noticed, "the cut of one direction is not noticed")
        # What one says reaches the other through the third.
        await self.talk("through the third", 10)
        await self.all_see()
        self.assertTrue((await self.mesh.nodes["c"].peers())["b"])
        self.mesh.network.heal("c")
        await self.mesh.connected()
        await self.mesh.converged()
        self.undisturbed()

    async def test_a_node_stands_still_and_goes_on(self):
        node = self.mesh.nodes["b"]
        node.pause()
        awake = [self.clients[0], self.clients[2]]
        said = [await client.say(f"{client} {number}") for number in range(10) for client in awake]
        await asyncio.gather(*(client.sees(said) for client in awake))

        async def noticed():
            return not (await self.mesh.nodes["a"].peers())["b"]

        await eventually(noticed, "nobody notices that a node stands still")
        node.resume()
        self.said += said
        await self.all_see()
        await self.talk("awake again", 3)
        await self.all_see()
        await self.mesh.connected()
        await self.mesh.converged()
        self.undisturbed()

    async def test_all_nodes_end_at_once_and_start_in_another_order(self):
        await self.talk("before the end", 5)
        for node in self.mesh.nodes.values():
            node.kill()
        for name in ("c", "a", "b"):
            await self.mesh.nodes[name].start()
        await self.mesh.connected()
        await self.mesh.converged()
        for name in self.mesh.nodes:
            late = IrcClient(f"late-{name}")
            await self.mesh.log_in(late, name)
            await late.join()
            history = await eventually(late.history, f"no history at {name}")
            self.assertTrue({message.id for message in self.said} <= {message.id for message in history}, name)


if __name__ == "__main__":
    unittest.main()
