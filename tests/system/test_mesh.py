"""Three nodes, one room: what must be true before anything else."""

import asyncio
import unittest

from .irc_client import IrcClient
from .mesh import Mesh
from .talk import heard
from .terminal_clients import Irssi, WeeChat
from .waiting import eventually
from .xmpp_client import XmppClient


class ThreeNodes(unittest.IsolatedAsyncioTestCase):
    """Every test has a mesh of its own: nodes a, b and c in three regions."""

    async def asyncSetUp(self):
        # unittest turns it on, to warn of what blocks the loop: here that is what waits for commands.
        asyncio.get_running_loop().set_debug(False)
        self.mesh = Mesh("a", "b", "c")
        self.addAsyncCleanup(self.mesh.remove, self)
        await self.mesh.start()

    async def one_history(self, clients, containing=()):
        """Waits until all of these read the same history with all of these messages in it, and gives it."""
        wanted = {message.id for message in containing}
        seen = {}

        async def attempt():
            histories = await asyncio.gather(*(client.history() for client in clients))
            seen.update(zip(map(repr, clients), histories))
            first, *others = histories
            return all(other == first for other in others) and wanted <= {m.id for m in first} and first

        history = await eventually(attempt, lambda: difference(seen, wanted))
        self.assertEqual(len({message.id for message in history}), len(history), "a history shows a message twice")
        return history

    async def test_irc_and_xmpp_talk_in_one_room_with_the_same_ids_everywhere(self):
        alice = await self.mesh.enter(IrcClient("alice"), "a")
        bob = await self.mesh.enter(XmppClient("bob"), "b")
        said = []
        for number in range(25):
            said.append(await alice.say(f"from IRC {number}"))
            await bob.sees(said)
            said.append(await bob.say(f"from XMPP {number}"))
            await alice.sees(said)

        carol = await self.mesh.enter(IrcClient("carol"), "c")
        dave = await self.mesh.enter(XmppClient("dave"), "c")
        history = await self.one_history([carol, dave], containing=said)
        self.assertEqual(history, said)
        for client in (alice, bob):
            self.assertEqual(client.live, said)

    async def test_a_cut_and_its_healing_lose_nothing_and_disconnect_nobody(self):
        alice = await self.mesh.enter(IrcClient("alice"), "a")
        bob = await self.mesh.enter(XmppClient("bob"), "b")
        carol = await self.mesh.enter(IrcClient("carol"), "c")
        dave = await self.mesh.enter(XmppClient("dave"), "c")
        everyone, here, there = [alice, bob, carol, dave], [alice, bob], [carol, dave]
        before = [await client.say(f"{client} before the cut") for client in everyone]
        await asyncio.gather(*(client.sees(before) for client in everyone))

        self.mesh.network.cut_off("c")
        self.assertTrue(self.mesh.network.drops("c"))
        said_here, said_there = [], []
        for number in range(15):
            said_here += [await client.say(f"{client} in the cut {number}") for client in here]
            said_there += [await client.say(f"{client} in the cut {number}") for client in there]
        await self.mesh.knows_cut("c")
        said_here += [await client.say(f"{client} knows of the cut") for client in here]
        said_there += [await client.say(f"{client} knows of the cut") for client in there]
        for side, said, others in ((here, said_here, said_there), (there, said_there, said_here)):
            for client in side:
                await client.sees(said)
                self.assertFalse({m.id for m in others} & set(client.ids()), f"{client} saw through the cut")

        self.mesh.network.heal("c")
        said = before + said_here + said_there
        await asyncio.gather(*(client.sees(said) for client in everyone))
        after = [await client.say(f"{client} after the cut") for client in everyone]
        said += after
        await asyncio.gather(*(client.sees(said) for client in everyone))
        history = await self.one_history(everyone, containing=said)
        self.assertCountEqual(history, said)
        await self.mesh.converged()
        for client in everyone:
            self.assertIsNone(client.lost, f"{client} was disconnected")
            self.assertEqual(client.twice(), [], f"{client} saw messages twice")

    async def test_a_killed_node_keeps_what_it_acknowledged(self):
        alice = await self.mesh.enter(IrcClient("alice"), "a")
        carol = await self.mesh.enter(XmppClient("carol"), "c")
        acknowledged = []
        for number in range(3):
            await self.kill_under_load("b", [alice, carol], acknowledged, f"round {number}")

        back = await self.mesh.enter(IrcClient("bob"), "b")
        await self.one_history([alice, carol, back], containing=acknowledged)
        await self.mesh.converged()
        self.assertIsNone(alice.lost)
        self.assertIsNone(carol.lost)

    async def test_the_node_a_room_was_created_on_is_turned_off_and_nobody_elsewhere_is_removed(self):
        founder = await self.mesh.enter(XmppClient("founder"), "a")
        alice = await self.mesh.enter(IrcClient("alice"), "b")
        bob = await self.mesh.enter(XmppClient("bob"), "b")
        carol = await self.mesh.enter(XmppClient("carol"), "c")
        before = await founder.say("made here")
        rest = [alice, bob, carol]
        await asyncio.gather(*(client.sees([before]) for client in rest))
        self.mesh.nodes["a"].kill()
        said = [before]
        for client in rest:
            said.append(await client.say(f"{client} goes on"))
        await asyncio.gather(*(client.sees(said) for client in rest))
        await self.one_history(rest, containing=said)
        for client in rest:
            self.assertIsNone(client.lost, f"{client} was removed")

    async def test_people_with_irssi_and_weechat_talk_through_a_cut(self):
        ann = await self.terminal(Irssi("ann"), "a")
        wes = await self.terminal(WeeChat("wes"), "b")
        carl = await self.mesh.enter(IrcClient("carl"), "c")
        said = [await ann.say("from irssi"), await wes.say("from WeeChat")]
        said.append(heard(await carl.say("from the library")))
        for client in (ann, wes):
            await client.sees(said)
        await carl.until(lambda: set(said) <= {heard(m) for m in carl.live}, lambda: f"{carl} saw {carl.live}")

        self.mesh.network.cut_off("c")
        here = [await ann.say("on this side"), await wes.say("here too")]
        there = [heard(await carl.say("on the other side"))]
        self.assertFalse(set(there) & set(ann.lines()), "seen through the cut")
        self.mesh.network.heal("c")
        for client in (ann, wes):
            await client.sees(here + there)
            lines = [line for line in client.lines() if line in said + here + there]
            self.assertEqual(len(lines), len(set(lines)), f"{client} shows a line twice")
        await carl.until(lambda: set(here) <= {heard(m) for m in carl.live}, lambda: f"{carl} saw {carl.live}")

    async def terminal(self, client, node):
        await self.mesh.log_in(client, node)
        return client

    async def kill_under_load(self, name, survivors, acknowledged, about):
        """Lets everyone talk, kills a node in the middle of it and starts it again; what was acknowledged is added."""
        crowd = [await self.mesh.enter(IrcClient(nick), name) for nick in ("bea", "ben", "bob")]
        crowd.append(await self.mesh.enter(XmppClient("bill"), name))
        enough = len(acknowledged) + 200
        enough_said = asyncio.Event()

        async def talk_on(client):
            number = 0
            while not (client.lost or enough_said.is_set()):
                try:
                    acknowledged.append(await client.say(f"{about}: {client} {number}"))
                except ConnectionError:
                    return
                number += 1

        victims = [asyncio.ensure_future(talk_on(client)) for client in crowd]
        others = [asyncio.ensure_future(talk_on(client)) for client in survivors]
        await survivors[0].until(lambda: len(acknowledged) > enough, lambda: f"{len(acknowledged)} of {enough}")
        self.mesh.nodes[name].kill()
        await asyncio.gather(*victims)
        await self.mesh.nodes[name].start()
        enough_said.set()
        await asyncio.gather(*others)


def difference(histories, wanted):
    """What is missing where, for a failed wait."""
    everything = {message.id for history in histories.values() for message in history} | wanted
    lines = [
        f"{name}: {len(history)} messages, lacks {len(everything - {m.id for m in history})}"
        for name, history in histories.items()
    ]
    return "histories differ: " + "; ".join(lines)


if __name__ == "__main__":
    unittest.main()
