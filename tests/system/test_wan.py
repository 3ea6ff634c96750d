"""Six nodes in three regions with long ways between them: what nodes and regions go through. Rooms live on three of them, and where their people are."""

import asyncio
import unittest

from .six import Six
from .waiting import eventually
from .xmpp_client import XmppClient


class SixNodes(Six):
    """People who talk while the mesh goes through it."""

    async def test_a_region_is_cut_off_and_comes_back(self):
        clients = await self.crowd("a1", "a2", "b1", "c1", "c2")
        inside, outside = clients[3:], clients[:3]
        others = ("a1", "a2", "b1", "b2")
        for name in ("c1", "c2"):
            self.mesh.network.cut_off(name, *others)
        said = await self.round(clients, "in the cut")
        for side in (inside, outside):
            own = [message for message in said if message.nick in {client.nick for client in side}]
            await asyncio.gather(*(client.sees(own) for client in side))

        async def noticed():
            views = [await self.mesh.nodes[name].peers() for name in ("a1", "b2", "c1")]
            return not views[0]["c1"] and not views[1]["c2"] and views[2]["c2"] and not views[2]["a1"]

        await eventually(noticed, "the cut around a region is not noticed")
        said += await self.round(clients, "knowing of the cut")
        for name in ("c1", "c2"):
            self.mesh.network.heal(name)
        await asyncio.gather(*(client.sees(said) for client in clients))
        await self.mesh.connected()
        await self.same_everywhere(said)
        self.undisturbed(clients)

    async def test_a_gateway_dies_a_node_is_away_for_long_and_another_takes_a_place(self):
        clients = await self.crowd("a1", "b1", "c1")
        # Any of the two nodes of a region is the gateway for some of what is written elsewhere.
        said = []

        async def talk(client):
            for number in range(40):
                said.append(await client.say(f"{client} goes on {number}"))

        talking = [asyncio.ensure_future(talk(client)) for client in clients]
        await clients[0].until(lambda: len(said) > 30, lambda: f"{len(said)} said")
        self.mesh.nodes["b2"].kill()
        self.mesh.nodes["c2"].kill()
        await asyncio.gather(*talking)
        await asyncio.gather(*(client.sees(said) for client in clients))

        # One comes back after a while with all that it has missed, the other never does.
        said += await self.round(clients, "while two are away", count=60)
        await self.mesh.nodes["b2"].start()
        gone = self.mesh.nodes.pop("c2")
        first = self.mesh.nodes["a1"]
        first.run("node", "revoke", gone.name, "--compromised")
        self.mesh.nodes["spare"] = self.spare
        await self.mesh.join(self.spare)
        await self.mesh.connected()
        self.assertNotIn("c2", await first.peers())
        await asyncio.gather(*(client.sees(said) for client in clients))
        await self.same_everywhere(said)
        self.undisturbed(clients)

    async def test_a_node_that_can_only_dial_out_takes_part(self):
        clients = await self.crowd("a1", "b1")
        home = self.mesh.nodes["spare"] = self.spare

        def hide():
            # It listens everywhere and tells nobody where, so that nobody dials it.
            file = home.directory / "lavina.toml"
            addresses = ("mesh ", "mesh-advertise ")
            lines = [line for line in file.read_text().splitlines() if not line.startswith(addresses)]
            file.write_text("\n".join(['mesh = "0.0.0.0:7667"', "mesh-advertise = []", *lines]) + "\n")
            self.mesh.network.dials_only("spare")

        await self.mesh.join(home, hide)
        await self.mesh.connected()
        clients.append(await self.mesh.enter(XmppClient("hermit"), "spare"))
        said = await self.round(clients, "with one behind a router")
        await asyncio.gather(*(client.sees(said) for client in clients))
        home.kill()
        said += await self.round(clients[:2], "while it is away")
        await home.start()
        await self.mesh.connected()
        await self.same_everywhere(said)
        self.undisturbed(clients[:2])


if __name__ == "__main__":
    unittest.main()
