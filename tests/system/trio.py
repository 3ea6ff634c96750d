"""Three nodes in three regions with somebody at each, for tests that do something to nodes or to the ways between them."""

import asyncio
import unittest

from .irc_client import IrcClient
from .mesh import Mesh
from .xmpp_client import XmppClient


class Trio(unittest.IsolatedAsyncioTestCase):
    """Nodes a, b and c in three regions, with somebody at each who has heard the others."""

    network = None
    # Names of nodes that are there for the test to make something of.
    spares = ()

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        names = ("a", "b", "c", *self.spares)
        self.mesh = Mesh(*names, network=self.network and self.network(names))
        self.spares = {name: self.mesh.nodes.pop(name) for name in self.spares}
        self.addAsyncCleanup(self.mesh.remove, self)
        self.prepare()
        await self.mesh.start()
        self.clients = [IrcClient("alice"), XmppClient("bob"), IrcClient("carol")]
        for client, node in zip(self.clients, "abc"):
            await self.mesh.log_in(client, node)
            await client.join()
        self.said = []
        await self.talk("at first", 1)
        await self.all_see()

    def prepare(self):
        """What is to be done to the nodes before they start."""

    async def talk(self, about, count, clients=None):
        clients = clients or self.clients
        self.said += [await client.say(f"{about}: {client} {number}") for number in range(count) for client in clients]

    async def all_see(self, clients=None):
        await asyncio.gather(*(client.sees(self.said) for client in clients or self.clients))

    async def all_well(self, clients=None):
        """All nodes hold the same, and nobody was disconnected or shown anything twice."""
        await self.mesh.connected()
        await self.mesh.converged()
        for client in clients or self.clients:
            self.assertIsNone(client.lost, f"{client} was disconnected")
            self.assertEqual(client.twice(), [], f"{client} saw messages twice")

    async def reads_all(self, name, node):
        """Somebody new at a node is shown all that was said, in the room's order."""
        client = IrcClient(name)
        await self.mesh.log_in(client, node)
        await client.join()
        history = [message.id for message in await client.history()]
        missing = [message.text for message in self.said if message.id not in history]
        self.assertEqual(missing, [], f"not in the history at {node}")
        return client
