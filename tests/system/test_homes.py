"""A community whose nodes stand at home: they dial out through routers, and find ways to one another, also in a local network where addresses change."""

import asyncio
import unittest

from .homes import Homes
from .irc_client import IrcClient
from .mesh import Mesh
from .network import Network, run
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


# Nothing of the mesh passes between the addresses that nodes have known of one another.
MOVED_RULES = """
table inet moved {
  chain incoming { type filter hook input priority 0; ip daddr 10.77.0.0/24 udp dport 7667 drop; }
}
"""


class InOneNetwork(unittest.IsolatedAsyncioTestCase):
    """The nodes a and b in a local network that gives them other addresses than those they had when b joined."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.mesh = Mesh("a", "b")
        self.addAsyncCleanup(self.mesh.remove, self)

    async def test_nodes_of_a_local_network_find_one_another_when_nobody_knows_an_address(self):
        await self.mesh.start()
        alice, bob = IrcClient("alice"), XmppClient("bob")
        for client, node in ((alice, "a"), (bob, "b")):
            await self.mesh.log_in(client, node)
            await client.join()
        said = [await alice.say("at the old addresses")]
        await bob.sees(said)
        for number, node in enumerate(self.mesh.nodes.values(), 1):
            node.kill()
            # Clients stay where they were.
            run("ip", "-n", node.name, "address", "add", f"10.79.0.{number}/24", "dev", "mesh")
            run(*Network.inside(node.name), "nft", "-f", "-", stdin=MOVED_RULES)
            file = node.directory / "lavina.toml"
            lines = [line for line in file.read_text().splitlines() if not line.startswith(("mesh ", "mesh-advertise "))]
            found = ['mesh = "0.0.0.0:7667"', "mesh-advertise = []", "mesh-discovery = true"]
            file.write_text("\n".join([*found, *lines]) + "\n")
        for node in self.mesh.nodes.values():
            await node.start()
        await self.mesh.connected()
        for client, node in ((alice, "a"), (bob, "b")):
            await self.mesh.log_in(client, node)
            await client.join()
        said = [await alice.say("found"), await bob.say("by asking around")]
        await asyncio.gather(*(client.sees(said) for client in (alice, bob)))


if __name__ == "__main__":
    unittest.main()
