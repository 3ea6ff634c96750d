"""A room with many thousands inside: what is said reaches all, who comes late is soon there, a cut and a death cut nobody off, and other rooms go on."""

import asyncio
import os
import time
import unittest
from pathlib import Path

from .crowd import SPARE_DESCRIPTORS, Crowd, enough_descriptors, mark
from .irc_client import IrcClient
from .mesh import Mesh
from .waiting import eventually
from .xmpp_client import XmppClient

# How many are inside. Each who comes is told to all who are there, so that twice as many take four times as long; 10,000 are run by hand.
COUNT = int(os.environ.get("LAVINA_HOT_ROOM", "4000"))
HOT = "hot"
FAR = "40ms"
# Addresses from which they come, so that none has more connections than one may have.
SOURCES = 60
# What the kernel keeps for a client, in kilobytes.
KEPT = 64
# Most memory of a node, in megabytes: of its own, and of each client as much as may wait for one, with what it takes to keep that.
MEMORY = 200 + COUNT // 2 * 512 // 1024
# How many times longer an answer in another room may take while there is talk in the hot one, with all clients on the processors of the nodes, and what is
# never too long, in seconds.
SLOWER = 20
FINE = 3
# The same while thousands come in, hundreds at once: each is told who is there already, one after the other.
FINE_WHILE_FILLING = 12


class Pace:
    """Two people in a quiet room who answer one another all the time; how long each answer took, in seconds."""

    def __init__(self, one, other):
        self.pair = (one, other)
        self.took = []
        self.task = None

    def begin(self):
        self.took = []
        self.over = False
        self.task = asyncio.ensure_future(self.talk())

    async def talk(self):
        number = 0
        while not self.over:
            speaker, listener = self.pair[number % 2], self.pair[1 - number % 2]
            began = time.monotonic()
            await listener.sees([await speaker.say(f"answer {number}")])
            self.took.append(time.monotonic() - began)
            number += 1

    async def end(self):
        """What nine of ten took at most."""
        self.over = True
        await self.task
        return sorted(self.took)[len(self.took) * 9 // 10]


class HotRoom(unittest.IsolatedAsyncioTestCase):
    """Nodes a, b and c in three regions; the many at a and b."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        # Nodes have what this process has.
        enough_descriptors(COUNT // 2 + 4 * SPARE_DESCRIPTORS)
        self.mesh = Mesh("a", "b", "c", far=FAR)
        self.addAsyncCleanup(self.mesh.remove, self)
        self.mesh.network.keep_little(KEPT)
        nodes = self.mesh.nodes
        await self.mesh.start({node.name: f'irc = "{node.address}:6667"\nirc-without-tls = true\n' for node in nodes.values()})
        sources = self.mesh.network.more_clients(SOURCES)
        self.crowds = [Crowd(name, COUNT // 2, HOT, sources, [nodes[name].address]) for name in "ab"]
        for crowd in self.crowds:
            self.addCleanup(crowd.stop)
            await crowd.start()
        self.pace = Pace(await self.mesh.enter(IrcClient("ann"), "a"), await self.mesh.enter(XmppClient("ben"), "c"))
        self.marks = 0
        self.memory = {}

    async def pace_while(self, doing):
        self.pace.begin()
        await doing
        return await self.pace.end()

    async def mark(self, speaker):
        """Somebody says something in the hot room; its number."""
        self.marks += 1
        await speaker.say(mark(self.marks))
        return self.marks

    async def shown(self, number, crowds):
        """Waits until all of these have been shown a mark."""
        counts = {}

        async def attempt():
            for crowd in crowds:
                counts[crowd.told["name"]] = (await crowd.report())["shown"].get(str(number), 0)
            return all(count == COUNT // 2 for count in counts.values())

        await eventually(attempt, lambda: f"mark {number} is shown to {counts}")

    async def all_well(self, crowds):
        for crowd in crowds:
            report = await crowd.report()
            self.assertEqual((report["inside"], report["lost"][:3], report["twice"]), (COUNT // 2, [], 0), crowd.told["name"])
        for node in self.mesh.running():
            self.memory[node.name] = memory_peak(node)
            self.assertLess(self.memory[node.name], MEMORY, f"megabytes of {node.name}")

    async def talk(self, count):
        for _ in range(count):
            for speaker in self.people[:2]:
                await self.shown(await self.mark(speaker), self.crowds)

    async def same_list(self, clients, count):
        """Waits until all of these are told the same people in the room, and so many."""
        lists = {}

        async def attempt():
            for client in clients:
                lists[client] = {name.lstrip("~&@%+") for name in await client.names()}
            return all(names == lists[clients[0]] and len(names) == count for names in lists.values())

        await eventually(attempt, lambda: f"there are {({client: len(names) for client, names in lists.items()})}, not {count}")

    async def come_late(self):
        """Two who come to a node of which nobody is in the room are soon there, see all who are and what is said."""
        alice = self.people[0]
        for late in (IrcClient("nina", HOT), XmppClient("xena", room=HOT)):
            await self.mesh.log_in(late, "c")
            began = time.monotonic()
            await late.join()
            self.people.append(late)
            said = await alice.say(f"welcome {late}")
            await late.sees([said])
            self.assertLess(time.monotonic() - began, FINE * (1 + COUNT // 3000), f"{late} waits too long")
        # There are alice, bob and nina beside the many, and xena sees herself.
        await late.until(lambda: len(late.occupants) == COUNT + 4, lambda: f"{len(late.occupants)} are shown")

    async def cut_and_heal(self):
        alice, bob, _, xena = self.people
        here, there = self.crowds
        # Who does not read for a while is not to be cut off for what the mesh tells.
        xena.stream.transport.pause_reading()
        self.mesh.network.cut_off("b")
        await self.shown(await self.mark(alice), [here])
        await self.mesh.knows_cut("b")
        await self.told_of_cut("b")
        left, right = await self.mark(alice), await self.mark(bob)
        await self.shown(left, [here])
        await self.shown(right, [there])
        xena.stream.transport.resume_reading()
        await xena.until(lambda: len(self.behind(xena)) == COUNT // 2 + 1, lambda: f"{len(self.behind(xena))} are behind the cut to her")
        self.mesh.network.heal("b")
        for number in (left, right):
            await self.shown(number, self.crowds)
        await self.mesh.connected()
        # What is said comes behind all that was told before.
        await xena.sees([await alice.say("all together")])
        self.assertEqual(self.behind(xena), [], "they are behind the cut to her")

    async def told_of_cut(self, name):
        """Waits until every other node holds it to be out of reach, and has told of it."""
        nodes = [node for node in self.mesh.nodes.values() if node.name != name]

        async def attempt():
            peers = [peer for node in nodes for peer in (await node.status())["peers"] if peer["name"] == name]
            return not any(peer["in_reach"] for peer in peers)

        await eventually(attempt, f"nobody holds {name} to be out of reach")
        alice = self.people[0]
        await alice.until(lambda: any("out of reach" in str(event.arguments) for event in alice.log), "alice is not told")

    @staticmethod
    def behind(client):
        return [nick for nick, (show, _) in client.occupants.items() if show in ("away", "xa")]

    async def test_thousands_in_one_room_hear_all_and_keep_nobody_from_anything(self):
        idle = await self.pace_while(self.answers(20))
        alice = await self.mesh.enter(IrcClient("alice", HOT), "a")
        self.people = [alice]
        began = time.monotonic()
        filling = await self.pace_while(asyncio.gather(*(crowd.enter() for crowd in self.crowds)))
        filled = time.monotonic() - began
        self.people.append(await self.mesh.enter(IrcClient("bob", HOT), "b"))
        talking = await self.pace_while(self.talk(5))
        await self.come_late()
        everyone = [client for client in self.people if isinstance(client, IrcClient)]
        await self.same_list(everyone, COUNT + 4)
        await self.cut_and_heal()
        await self.same_list(everyone, COUNT + 4)
        await self.mesh.converged()
        histories = [await client.history() for client in everyone]
        self.assertEqual(len(histories[0]), self.marks + 3)
        for history in histories[1:]:
            self.assertEqual(history, histories[0])
        await self.all_well(self.crowds)
        await self.one_of_the_nodes_dies()
        answers = f"answers in another room took {idle:.3f} s before, {filling:.3f} s meanwhile, {talking:.3f} s while they talked"
        print(f"{COUNT} came in within {filled:.1f} s; {answers}; megabytes of nodes: {self.memory}", flush=True)
        self.assertLess(talking, max(FINE, SLOWER * idle), "another room waits for the talk in the hot one")
        self.assertLess(filling, max(FINE_WHILE_FILLING, SLOWER * idle), "another room waits for those who come in")

    async def answers(self, count):
        listener = self.pace.pair[0]
        await listener.until(lambda: len(self.pace.took) >= count, lambda: f"{len(self.pace.took)} answers")

    async def one_of_the_nodes_dies(self):
        """Half of the room is gone with its node, and the other half goes on, also who does not read for a while."""
        alice, bob, nina, xena = self.people
        xena.stream.transport.pause_reading()
        self.crowds.pop().stop()
        bob.close()
        self.mesh.nodes["b"].kill()
        await self.mesh.nodes["b"].start()
        await self.mesh.connected()
        await self.same_list([alice, nina], COUNT // 2 + 3)
        await self.shown(await self.mark(alice), self.crowds)
        xena.stream.transport.resume_reading()
        await xena.until(lambda: len(xena.left) == COUNT // 2 + 1, lambda: f"{len(xena.left)} have left for her")
        await self.all_well(self.crowds)
        for client in (alice, nina, xena, *self.pace.pair):
            self.assertIsNone(client.lost, f"{client} was disconnected")


def memory_peak(node):
    """The most memory that a node has had, in megabytes."""
    lines = Path(f"/proc/{node.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    unittest.main()
