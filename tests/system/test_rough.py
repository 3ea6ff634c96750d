"""Rough, thin and cut ways between nodes."""

import asyncio
import time
import unittest

from .rough import RoughNetwork
from .trio import Trio

# What befalls packets, by turns and then all at once; see `rough.Ways`.
ROUGH = (
    {"lost": 20, "burst": 15},
    {"twice": 0.3},
    {"later": 0.05, "much_later": 0.4},
    {"lost": 5, "burst": 5, "twice": 0.2, "later": 0.03, "much_later": 0.2},
)

# Kilobits a second of a thin way.
THIN = 256


class Rough(Trio):
    """One kind of roughness after another."""

    network = RoughNetwork

    async def test_ways_that_lose_in_bursts_double_delay_and_shuffle(self):
        for how in ROUGH:
            self.mesh.network.rough(**how)
            await self.talk(str(how), 8)
            await self.all_see()
        self.mesh.network.rough()
        await self.all_well()


class Cut(Trio):
    """Cuts into more than two, within one another, and thin ways."""

    async def test_every_node_is_alone_and_cuts_lie_within_and_over_one_another(self):
        network = self.mesh.network
        for name in "abc":
            network.cut_off(name)
        await self.talk("each alone", 5)
        for name in "abc":
            await self.mesh.knows_cut(name)
        await self.talk("knowing it", 3)
        # First b and c find together, while a is still cut off from both; then b is cut off from c, and hears a again.
        for name in "bc":
            network.heal(name)
        two = [message for message in self.said if message.nick != "alice"]
        await asyncio.gather(*(client.sees(two) for client in self.clients[1:]))
        network.cut_off("c", "b")
        network.heal("a")
        await self.talk("in the cut that lies over it", 3)
        # What b and c say to one another comes by way of a.
        await self.all_see()
        network.heal("c")
        await self.all_well()

    async def test_a_node_catches_up_over_a_thin_way_and_others_do_not_wait(self):
        node = self.mesh.nodes["c"]
        node.kill()
        away, here = self.clients[2], self.clients[:2]
        # Texts that take their own size on the way.
        for number in range(120):
            client = here[number % 2]
            self.said.append(await client.say(f"{number} " + "".join(chr(33 + (number * 7919 + i * i * 31) % 90) for i in range(380))))
        self.mesh.network.thin("c", THIN)
        await node.start()
        await self.mesh.log_in(away, "c")
        await away.join()
        slowest = 0
        for number in range(10):
            began = time.monotonic()
            await self.talk(f"meanwhile {number}", 1, here)
            await self.all_see(here)
            slowest = max(slowest, time.monotonic() - began)
        self.assertLess(slowest, 2, "others wait for who catches up")
        # It stays a member of the mesh while the way is full.
        self.assertTrue(all((await self.mesh.nodes["a"].peers()).values()))
        await self.talk("all of us", 2)
        await away.sees(self.said[-6:])
        await self.mesh.converged()
        await self.reads_all("late", "c")
        await self.all_well(here)


if __name__ == "__main__":
    unittest.main()
