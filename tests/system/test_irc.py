"""What an IRC channel is holds on every node: through a cut, and when the node dies on which it was made; and so do the clients that people use."""

import asyncio
import unittest

from .framework_client import FrameworkClient
from .irc_client import CHANNEL, IrcClient
from .mesh import Mesh
from .talk import heard
from .terminal_clients import Irssi, TerminalClient, WeeChat
from .waiting import eventually


class Channel(unittest.IsolatedAsyncioTestCase):
    """Nodes a, b and c in three regions, an operator on the first."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.mesh = Mesh("a", "b", "c")
        self.addAsyncCleanup(self.mesh.remove, self)
        await self.mesh.start()

    async def client(self, name, node):
        client = IrcClient(name)
        await self.mesh.log_in(client, node)
        return client

    async def in_room(self, name, node):
        client = await self.client(name, node)
        await client.join()
        return client

    async def modes(self, client):
        return (await client.ask(f"MODE {client.channel}", "channelmodeis")).arguments[1]

    async def refused(self, client, line, numeric):
        await client.ask(line, numeric)

    async def has(self, client, modes, names):
        """Waits until a client is told that the channel has these modes and these people."""
        seen = {}

        async def attempt():
            seen.update(modes=await self.modes(client), names=await client.names())
            return set(seen["modes"]) == set(modes) and seen["names"] == names

        await eventually(attempt, lambda: f"{client} is told {seen}")

    async def test_modes_bans_and_history_hold_on_every_node_through_a_cut_and_a_death(self):
        alice = await self.in_room("alice", "a")
        bob = await self.in_room("bob", "b")
        carol = await self.in_room("carol", "c")
        everyone = [alice, bob, carol]
        for client in everyone:
            await self.has(client, "+nt", {"@alice", "bob", "carol"})
        alice.connection.send_raw(f"MODE {CHANNEL} +mb $a:mallory")
        alice.connection.send_raw(f"MODE {CHANNEL} +v bob")
        for client in everyone:
            await self.has(client, "+mnt", {"@alice", "+bob", "carol"})
        said = [await alice.say("before the cut"), await bob.say("bob has a voice")]
        await carol.sees(said)
        await self.refused(carol, f"PRIVMSG {CHANNEL} :no voice", "cannotsendtochan")
        mallory = await self.client("mallory", "c")
        await self.refused(mallory, f"JOIN {CHANNEL}", "bannedfromchan")

        self.mesh.network.cut_off("c")
        await self.mesh.knows_cut("c")
        # Behind the cut it is what it was; on this side it goes on.
        await self.refused(carol, f"PRIVMSG {CHANNEL} :still none", "cannotsendtochan")
        await self.refused(mallory, f"JOIN {CHANNEL}", "bannedfromchan")
        alice.connection.send_raw(f"MODE {CHANNEL} -m+s")
        alice.connection.send_raw(f"TOPIC {CHANNEL} :said in the cut")
        await self.has(bob, "+nst", {"@alice", "+bob", "carol"})
        said.append(await bob.say("in the cut"))
        self.assertEqual(await self.modes(carol), "+mnt")

        self.mesh.network.heal("c")
        await self.has(carol, "+nst", {"@alice", "+bob", "carol"})
        await carol.sees(said)
        said.append(await carol.say("anybody may speak"))
        for client in everyone:
            await client.sees(said)
            self.assertIsNone(client.lost, f"{client} was disconnected")

        self.mesh.nodes["a"].kill()
        said.append(await bob.say("the node of alice is dead"))
        await carol.sees(said)
        await self.refused(mallory, f"JOIN {CHANNEL}", "bannedfromchan")
        topic = await carol.ask(f"TOPIC {CHANNEL}", "currenttopic")
        self.assertEqual(topic.arguments[-1], "said in the cut")
        # She comes back by another node, as what she was.
        back = await self.in_room("alice", "c")
        await self.has(bob, "+nst", {"@alice", "+bob", "carol"})
        back.connection.send_raw(f"MODE {CHANNEL} -b $a:mallory")

        async def is_let_in():
            await mallory.ask(f"JOIN {CHANNEL}", "bannedfromchan", "endofnames")
            return any(event.type == "endofnames" for event in mallory.log)

        await eventually(is_let_in, "the ban is not lifted")
        histories = [await client.history() for client in (back, bob, carol, mallory)]
        self.assertEqual(histories, [said] * 4)
        self.assertIsNone(bob.lost)
        self.assertIsNone(carol.lost)

    async def test_both_sides_of_a_cut_act_at_once_and_all_nodes_come_to_the_same(self):
        alice, bob = await self.in_room("alice", "a"), await self.in_room("bob", "b")
        dave, carol = await self.in_room("dave", "c"), await self.in_room("carol", "c")
        await alice.ask(f"CS REGISTER {CHANNEL}", "privnotice")
        await alice.ask(f"CS AMODE {CHANNEL} +o dave", "privnotice")
        everyone = [alice, bob, dave, carol]
        for client in everyone:
            await self.has(client, "+nPt", {"~alice", "bob", "@dave", "carol"})
        ed, fay = IrcClient("ed", "fresh"), IrcClient("fay", "fresh")
        for client, node in ((ed, "a"), (fay, "c")):
            await self.mesh.log_in(client, node)

        self.mesh.network.cut_off("c")
        await self.mesh.knows_cut("c")
        # On one side somebody loses his standing by who stands above him; on the other he still uses it.
        await alice.ask(f"CS AMODE {CHANNEL} -o dave", "privnotice")
        alice.connection.send_raw(f"MODE {CHANNEL} +m")
        await dave.ask(f"MODE {CHANNEL} +b $a:bob", "mode")
        await dave.ask(f"MODE {CHANNEL} +s", "mode")
        # Both sides make the same channel; the first of them made it.
        await ed.join()
        await fay.join()
        self.assertEqual((await ed.names(), await fay.names()), ({"@ed"}, {"@fay"}))
        self.mesh.network.heal("c")
        for client in everyone:
            await self.has(client, "+mnPt", {"~alice", "bob", "dave", "carol"})
            self.assertIsNone(client.lost, f"{client} was disconnected")
        for client in (ed, fay):
            await self.has(client, "+nt", {"@ed", "fay"})
        await self.mesh.converged()
        # Who was banned by nobody may come in again.
        await bob.ask(f"PART {CHANNEL}", "part")
        await bob.join()

    async def everybody_sees(self, people, said):
        """Waits until all of these show all of this."""
        for person in people:
            if isinstance(person, TerminalClient):
                await person.sees(said)
            else:
                await person.until(
                    lambda person=person: said <= set(map(heard, person.live)),
                    lambda person=person: f"{person} does not show {said - set(map(heard, person.live))}",
                )

    @staticmethod
    async def everybody_says(people, text):
        said = [await person.say(f"{text}, says {person.nick}") for person in people]
        return {message if isinstance(message, tuple) else heard(message) for message in said}

    async def test_four_kinds_of_clients_talk_on_through_a_cut_and_a_nodes_death(self):
        alice = await self.in_room("alice", "a")
        fred, ann, wes = FrameworkClient("fred"), Irssi("ann"), WeeChat("wes")
        for client, node in ((fred, "a"), (ann, "b"), (wes, "c")):
            await self.mesh.log_in(client, node)
        await fred.join()
        carl = await self.in_room("carl", "c")
        people = [alice, fred, ann, wes, carl]
        await self.everybody_sees(people, await self.everybody_says(people, "well met"))

        self.mesh.network.cut_off("c")
        said = await self.everybody_says(people, "cut in two")
        self.mesh.network.heal("c")
        await self.everybody_sees(people, said)

        self.mesh.nodes["a"].kill()
        rest = [ann, wes, carl]
        said = await self.everybody_says(rest, "a node less")
        await fred.until(lambda: fred.lost, "the death of its node is not noticed")
        await self.mesh.log_in(fred, "b")
        await fred.join()
        said |= await self.everybody_says([fred], "back")
        await self.everybody_sees(rest, said)
        for client in (ann, wes):
            twice = [line for line in set(client.lines()) if client.lines().count(line) > 1]
            self.assertFalse(twice, f"{client} shows a line twice")
