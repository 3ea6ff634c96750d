"""Several versions in one mesh, of which nodes go to the next one by one, and one goes back, while people talk; and stores of earlier builds."""

import asyncio
import os
import re
import subprocess
import unittest

from .irc_client import CHANNEL, IrcClient
from .mesh import BINARY, Mesh
from .old_store import TOPIC, OldStore
from .waiting import eventually
from .xmpp_client import XmppClient

# A build of the version before. Without one, nodes of this build are held to its frames.
PREVIOUS = os.environ.get("LAVINA_PREVIOUS")
# What is said while a node is away, so that it has much to catch up with: many small entries are what versions tell one another in different forms.
MISSED = 80


class Versions(unittest.IsolatedAsyncioTestCase):
    """Nodes a, b and c of the version before in three regions, with somebody at each."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.mesh = Mesh("a", "b", "c", placed=True)
        self.addAsyncCleanup(self.mesh.remove, self)
        for node in self.mesh.nodes.values():
            self.older(node)
        self.old_frames, self.new_frames = self.frames()
        held = "" if PREVIOUS else f"mesh-frames = {self.old_frames}\n"
        self.held = {name: held for name in self.mesh.nodes}
        await self.mesh.start(self.held)
        self.clients = {"a": IrcClient("alice"), "b": XmppClient("bob"), "c": IrcClient("carol")}
        for node, client in self.clients.items():
            await self.mesh.log_in(client, node)
            await client.join()
        self.said = []

    @staticmethod
    def older(node):
        node.binary = PREVIOUS or BINARY

    def frames(self):
        """The versions of frames that this build speaks, older and newer, as it says itself to who asks for another."""
        file = self.mesh.directory / "wrong.toml"
        file.write_text('domain = "chat.example"\nname = "a"\nregion = "eu"\nzone = "a"\ndata = "data"\nmesh-frames = 0\n')
        command = (BINARY, "config", "check", "--config", str(file))
        said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
        return map(int, re.search(r"mesh-frames: .*; (\d+) or (\d+) is expected", said).groups())

    async def talk(self, about, count, clients):
        said = [await client.say(f"{about}: {client} {number}") for number in range(count) for client in clients]
        await asyncio.gather(*(client.sees(said) for client in clients))
        self.said += said

    async def restart(self, name, change):
        """Stops a node as its operator would, does something to it and starts it; the others talk all the time."""
        node, own = self.mesh.nodes[name], self.clients[name]
        others = [client for at, client in self.clients.items() if at != name]
        await node.stop()
        await self.talk(f"without {name}", MISSED // 2, others)
        change(node)
        await node.start()
        await self.mesh.connected()
        await self.mesh.fail_over(own, name, connect=own.start_over if isinstance(own, XmppClient) else None)
        await own.join()
        await self.talk(f"{name} is back", 3, self.clients.values())
        # It has got what it had missed.
        self.assertTrue({message.id for message in self.said} <= {message.id for message in await own.history()})

    def newer(self, node):
        node.binary = BINARY
        file = node.directory / "lavina.toml"
        file.write_text("".join(line for line in file.read_text().splitlines(keepends=True) if not line.startswith("mesh-frames")))

    def back(self, node):
        self.older(node)
        node.configure(self.held[node.name])

    async def speak(self, **versions):
        """Waits until nodes speak the newest frames that both know: `versions` are those of each."""

        async def attempt():
            for name in (name for name in versions if self.mesh.nodes[name].binary == BINARY):
                for peer in (await self.mesh.nodes[name].status())["peers"]:
                    if peer["frames"] != min(versions[name], versions[peer["name"]]):
                        return False
            return True

        await eventually(attempt, f"they do not speak the frames that they have in common of {versions}")

    async def test_nodes_are_upgraded_one_by_one_and_one_goes_back(self):
        old, new = self.old_frames, self.new_frames
        await self.talk("all old", 5, self.clients.values())
        await self.speak(a=old, b=old, c=old)
        await self.restart("a", self.newer)
        await self.speak(a=new, b=old, c=old)
        await self.restart("b", self.newer)
        await self.speak(a=new, b=new, c=old)
        # The first of the new ones, and one that has talked in new frames, goes back to what it was, and forth again.
        await self.restart("b", self.back)
        await self.speak(a=new, b=old, c=old)
        await self.restart("c", self.newer)
        await self.restart("b", self.newer)
        await self.speak(a=new, b=new, c=new)
        await self.mesh.converged()
        history, *others = [await client.history() for client in self.clients.values()]
        self.assertEqual(others, [history] * 2)
        self.assertCountEqual(history, self.said)
        for client in self.clients.values():
            self.assertEqual(client.twice(), [], f"{client} saw messages twice")


class Stores(unittest.IsolatedAsyncioTestCase):
    """A node whose directory an earlier build has left, and one that joins it."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.mesh = Mesh("a", "b", placed=True)
        self.addAsyncCleanup(self.mesh.remove, self)

    async def test_a_store_of_the_oldest_format_that_is_read_is_gone_on_with(self):
        node, other = self.mesh.nodes.values()
        old = OldStore("format-2", node.directory)
        self.mesh.accounts |= {"alice", "bob", "mallory"}
        await node.start()
        alice, bob, mallory = IrcClient("alice"), XmppClient("bob"), IrcClient("mallory")
        for client in (alice, bob, mallory):
            await self.mesh.log_in(client, "a")
        await bob.until(lambda: bob.direct, "he is not given what he was told")
        self.assertEqual([text for _, text, _ in bob.direct], [old.direct])
        await mallory.ask(f"JOIN {CHANNEL}", "bannedfromchan")
        for client in (alice, bob):
            await client.join()
        self.assertEqual(await alice.names(), {"~alice", "@bob"})
        topic = await alice.ask(f"TOPIC {CHANNEL}", "currenttopic")
        self.assertEqual(topic.arguments[-1], TOPIC)
        for client in (alice, bob):
            self.assertEqual(await client.history(), old.said)

        # It is written on, and given to another node.
        said = [await client.say(f"{client} again") for client in (alice, bob)]
        await self.mesh.join(other)
        carol = IrcClient("carol")
        await self.mesh.log_in(carol, "b")
        await carol.join()
        self.assertEqual(await carol.history(), old.said + said)
        await self.mesh.converged()
        alice.close()
        await node.stop()
        await node.start()
        await self.mesh.log_in(alice, "a")
        await alice.join()
        self.assertEqual(await alice.history(), old.said + said)


if __name__ == "__main__":
    unittest.main()
