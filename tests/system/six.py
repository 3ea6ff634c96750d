"""Six nodes in three regions with long ways between them."""

import asyncio
import unittest

from .irc_client import IrcClient
from .mesh import Mesh
from .waiting import eventually
from .xmpp_client import XmppClient

# One way between two regions. Emulated below QUIC by the nodes themselves, since not every kernel can delay packets.
FAR = "40ms"


class Six(unittest.IsolatedAsyncioTestCase):
    """Nodes a1 and a2 in eu, b1 and b2 in us, c1 and c2 in ap; each joined with a ticket. Another one in ap may join later."""

    # Whether rooms live on three of them and where their people are, as by default, or on all.
    placed = True

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        names = ("a1", "a2", "b1", "b2", "c1", "c2", "spare")
        self.mesh = Mesh(*names, regions=("eu", "eu", "us", "us", "ap", "ap", "ap"), far=FAR, placed=self.placed)
        self.spare = self.mesh.nodes.pop("spare")
        self.addAsyncCleanup(self.mesh.remove, self)
        await self.mesh.start()

    async def crowd(self, *nodes):
        """One client at each of these, by turns of either protocol, who have all heard one another."""
        kinds = (IrcClient, XmppClient)
        clients = [await self.mesh.enter(kinds[number % 2](f"at{node}"), node) for number, node in enumerate(nodes)]
        said = [await client.say(f"{client} is here") for client in clients]
        await asyncio.gather(*(client.sees(said[-1:]) for client in clients))
        return clients

    async def round(self, clients, about, count=5):
        """Everybody says something, several times; what was said."""
        return [await client.say(f"{about}: {client} {number}") for number in range(count) for client in clients]

    async def same_everywhere(self, said):
        """Somebody new at each node reads the same history, with all that was said, whether the room is kept there or not."""
        names = sorted(node.name for node in self.mesh.running())
        readers = [await self.mesh.enter(IrcClient(f"reader-{name}"), name) for name in names]
        wanted, histories = {message.id for message in said}, {}

        async def attempt():
            read = await asyncio.gather(*(reader.history() for reader in readers))
            histories.update(zip(names, read))
            return wanted <= {message.id for message in read[0]} and all(history == read[0] for history in read)

        def differences():
            ids = {name: {message.id for message in history} for name, history in histories.items()}
            everything = wanted.union(*ids.values())
            return "; ".join(f"the history at {name} lacks {len(everything - own)} of {len(everything)}" for name, own in ids.items())

        await eventually(attempt, differences)
        for reader in readers:
            reader.close()

    def undisturbed(self, clients):
        for client in clients:
            self.assertIsNone(client.lost, f"{client} was disconnected")
            self.assertEqual(client.twice(), [], f"{client} saw messages twice")
