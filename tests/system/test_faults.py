"""Ways that lose packets or carry them in one direction only, a node that stands still, and a mesh that starts from nothing."""

import asyncio
import unittest

from .trio import Trio
from .waiting import eventually


class Faults(Trio):
    """One fault at a time."""

    async def test_ways_that_lose_a_fifth_of_the_packets(self):
        for name in self.mesh.nodes:
            self.mesh.network.lose(name, 20)
        await self.talk("over bad ways", 20)
        await self.all_see()
        await self.all_well()

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
        await self.all_well()

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
        await self.all_well()

    async def test_all_nodes_end_at_once_and_start_in_another_order(self):
        await self.talk("before the end", 5)
        for node in self.mesh.nodes.values():
            node.kill()
        for name in ("c", "a", "b"):
            await self.mesh.nodes[name].start()
        await self.mesh.connected()
        await self.mesh.converged()
        for name in self.mesh.nodes:
            await self.reads_all(f"late-{name}", name)


if __name__ == "__main__":
    unittest.main()
