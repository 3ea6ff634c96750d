"""A community whose nodes stand behind home routers: they dial out, and find ways to one another."""

import asyncio
import unittest

from .homes import Homes
from .irc_client import IrcClient
from .mesh import Mesh
from .waiting import eventually
from .xmpp_client import XmppClient


class BehindRouters(unittest.IsolatedAsyncioTestCase):
    """A hub that all can dial, and the nodes a and b behind a router each."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.mesh = Mesh("hub", "a", "b", network=Homes("hub", ["a", "b"]))
        self.addAsyncCleanup(self.mesh.remove, self)

    async def start(self, settings):
        """Starts the nodes with these lines in each one's configuration; each home is connected to the hub in the end."""
        await self.mesh.start(settings, connected=False)

        async def attempt():
            peers = await self.mesh.nodes["hub"].peers()
            return peers["a"] and peers["b"]

        await eventually(attempt, "the homes do not reach the hub")

    async def two_in_a_room(self):
        alice, bob = IrcClient("alice"), XmppClient("bob")
        for client, node in ((alice, "a"), (bob, "b")):
            await self.mesh.log_in(client, node)
            await client.join()
        return alice, bob

    async def test_nodes_that_can_only_dial_out_replicate_through_one_that_they_reach(self):
        await self.start({})
        alice, bob = await self.two_in_a_room()
        said = []
        for number in range(5):
            said.append(await alice.say(f"from one home {number}"))
            said.append(await bob.say(f"from the other {number}"))
        await asyncio.gather(*(client.sees(said) for client in (alice, bob)))
        await self.mesh.converged()

        async def through_the_hub():
            peers = {peer["name"]: peer for peer in (await self.mesh.nodes["a"].status())["peers"]}
            self.assertFalse(peers["b"]["connected"], "the routers let nothing in")
            return peers["b"]["via"] == "hub"

        await eventually(through_the_hub, "nobody says through whom")

    async def test_two_routers_are_opened_and_the_data_plane_goes_straight_through(self):
        discovery = "mesh-discovery = true\n"
        await self.start({"hub": discovery + "mesh-relay = true\n", "a": discovery, "b": discovery})

        async def straight():
            return (await self.mesh.nodes["a"].peers())["b"] and (await self.mesh.nodes["b"].peers())["a"]

        await eventually(straight, lambda: "no way through the routers: " + self.mesh.nodes["a"].tail(), seconds=90)
        alice, bob = await self.two_in_a_room()
        self.mesh.nodes["hub"].kill()
        said = [await alice.say("without the hub"), await bob.say("all the same")]
        await asyncio.gather(*(client.sees(said) for client in (alice, bob)))


if __name__ == "__main__":
    unittest.main()
