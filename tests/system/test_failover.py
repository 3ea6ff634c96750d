"""A whole region dies: its people go on at nodes elsewhere, and it catches up when it is back."""

import asyncio
import unittest

from .crowd import Crowd, mark
from .irc_client import CHANNEL, IrcClient
from .mesh import PASSWORD
from .six import Six
from .talk import ROOM, heard
from .terminal_clients import WeeChat
from .waiting import eventually
from .xmpp_client import XmppClient

# The nodes that die.
REGION = ("a1", "a2")
# How many people of theirs go elsewhere at once, the addresses they come from, and how long it may take them, but for one in a hundred.
HERD = 500
SOURCES = 60
LOG_IN_SECONDS = 5
# What is said before they do, so that they die in the middle of it.
ENOUGH = 120


class Failover(Six):
    """People of region eu, and some of the others."""

    async def asyncSetUp(self):
        await super().asyncSetUp()
        nodes = self.mesh.nodes
        # Of the region: who founded the room, somebody on XMPP, who is always on, and one with a client that has three addresses.
        self.alice = await self.mesh.enter(IrcClient("alice"), "a1")
        await self.alice.ask(f"CS REGISTER {CHANNEL}", "privnotice")
        self.bob = await self.mesh.enter(XmppClient("bob", resumable=True), "a2")
        self.ann = await self.mesh.enter(IrcClient("ann"), "a2")
        await self.ann.ask("NS SET ALWAYS-ON ON", "privnotice")
        self.wes = WeeChat("wes", others=[nodes["a2"], nodes["b1"]])
        await self.mesh.log_in(self.wes, "a1")
        self.ours = [self.alice, self.bob, self.ann]
        # Of the others: one in each region.
        self.theirs = [await self.mesh.enter(IrcClient("bea"), "b1"), await self.mesh.enter(XmppClient("carl"), "c1")]
        for who in ("+o bob", "+o ann"):
            await self.alice.ask(f"CS AMODE {CHANNEL} {who}", "privnotice")
        self.alice.connection.send_raw(f"MODE {CHANNEL} +b $a:mallory")
        self.alice.connection.send_raw(f"TOPIC {CHANNEL} :before it")
        # Everything that was acknowledged.
        self.said = []
        await self.round_of(self.ours + self.theirs, "at first", 2)
        await self.wes.sees([heard(message) for message in self.said[-5:]])

    async def round_of(self, clients, about, count):
        said = await self.round(clients, about, count)
        self.said += said
        await asyncio.gather(*(client.sees(said) for client in clients))

    async def dies_while_they_talk(self):
        """Everybody talks, and the region is killed in the middle of it; the others go on."""
        over = asyncio.Event()

        async def talk_on(client):
            number = 0
            while not (client.lost or over.is_set()):
                number += 1
                try:
                    self.said.append(await client.say(f"{client} goes on {number}"))
                except ConnectionError:
                    return

        enough = len(self.said) + ENOUGH
        dying = [asyncio.ensure_future(talk_on(client)) for client in self.ours]
        others = [asyncio.ensure_future(talk_on(client)) for client in self.theirs]
        await self.theirs[0].until(lambda: len(self.said) > enough, lambda: f"{len(self.said)} of {enough} said")
        for name in REGION:
            self.mesh.nodes[name].kill()
        await asyncio.gather(*dying)
        after = len(self.said) + ENOUGH
        await self.theirs[0].until(lambda: len(self.said) > after, "the others do not go on")
        over.set()
        await asyncio.gather(*others)

    def shown_elsewhere(self):
        return {message for client in self.theirs for message in client.live}

    async def see_the_same(self, clients):
        """All of these are shown all that any of them is shown."""
        both = {message for client in clients for message in client.live}
        await asyncio.gather(*(client.sees(both) for client in clients))

    async def is_kept_out(self, name, node):
        client = IrcClient(name)
        await self.mesh.log_in(client, node)
        await client.ask(f"JOIN {CHANNEL}", "bannedfromchan")
        client.close()

    async def go_on_elsewhere(self):
        """The people of the region look for another node, and are there what they were."""
        # From here on each is another session, which is shown what others there are: late also what its old node had told nobody.
        for client in self.ours:
            client.live.clear()
        carl = self.theirs[1]
        carl.tell("bob", "while you were gone")
        await carl.settled()
        addresses = (*REGION, "b1", "b2", "c2")
        self.assertEqual(await self.mesh.fail_over(self.alice, *addresses), "b1")
        await self.alice.join()
        self.assertEqual(await self.mesh.fail_over(self.bob, *REGION, "c2", connect=self.bob.start_over), "c2")
        await self.bob.join()
        await self.bob.until(lambda: self.bob.direct, "he is not told what was said to him meanwhile")
        # Who is always on is in its rooms by itself.
        self.assertEqual(await self.mesh.fail_over(self.ann, *REGION, "b2"), "b2")
        await self.ann.reply("endofnames")

        async def all_back():
            return {"~alice", "@bob", "@ann", "wes", "bea", "carl"} <= await self.theirs[0].names()

        await eventually(all_back, "they are not what they were")
        topic = await self.ann.ask(f"TOPIC {CHANNEL}", "currenttopic")
        self.assertEqual(topic.arguments[-1], "before it")

    async def test_people_of_a_region_go_on_elsewhere_and_it_catches_up(self):
        await self.dies_while_they_talk()
        await self.see_the_same(self.theirs)
        await self.go_on_elsewhere()
        await self.round_of(self.ours + self.theirs, "together again", 3)
        said = await self.wes.say("with the third of its addresses")
        await self.theirs[0].until(lambda: said in map(heard, self.theirs[0].live), "WeeChat is not heard")
        await self.wes.sees([heard(message) for message in self.said[-5:]])

        # What anybody has seen elsewhere is in the history, and who was kept out is.
        reached = self.shown_elsewhere()
        await self.same_everywhere(reached)
        await self.is_kept_out("mallory", "b2")
        # What they do here holds there as well when it is back.
        self.alice.connection.send_raw(f"MODE {CHANNEL} +b $a:trent")
        await self.alice.ask(f"TOPIC {CHANNEL} :without a region", "topic")
        await self.theirs[0].ask(f"TOPIC {CHANNEL} :not hers to say", "chanoprivsneeded")

        for name in REGION:
            await self.mesh.nodes[name].start()
        await self.mesh.connected()
        # What the dead nodes had acknowledged is there too, whether it had left them or not.
        await self.see_the_same(self.theirs)
        await self.same_everywhere(set(self.said) | reached)
        await self.is_kept_out("mallory", "a2")
        await self.is_kept_out("trent", "a1")
        await self.round_of(self.ours + self.theirs + [await self.mesh.enter(IrcClient("dora"), "a1")], "with all regions", 2)
        self.undisturbed(self.theirs)
        for client in self.ours:
            self.assertEqual(client.twice(), [], f"{client} saw messages twice")
        texts = [message.text for message in await self.bob.history()]
        self.assertEqual(len(set(texts)), len(texts), "something was said twice")
        self.assertEqual([text for _, text, _ in self.bob.direct], ["while you were gone"])


class Herd(Six):
    """Hundreds of people of region eu, each with an account and the addresses of all nodes, those of their region first."""

    placed = False

    async def asyncSetUp(self):
        await super().asyncSetUp()
        nodes = self.mesh.nodes
        trusted = {node.address: str(node.directory / "data" / "client-cert.pem") for node in nodes.values()}
        near, far = ([node.address for node in nodes.values() if (node.name in REGION) == here] for here in (True, False))
        self.theirs = [await self.mesh.enter(IrcClient("bea"), "b1"), await self.mesh.enter(XmppClient("carl"), "c1")]
        self.herd = Crowd("h", HERD, ROOM, self.mesh.network.more_clients(SOURCES), near, far, trusted, PASSWORD)
        self.addCleanup(self.herd.stop)
        await self.herd.start()
        await self.herd.enter()
        # All nodes know their accounts.
        await self.mesh.converged()

    async def test_hundreds_log_in_elsewhere_at_once_and_nobody_there_is_disturbed(self):
        for name in REGION:
            self.mesh.nodes[name].kill()
        said = []

        async def all_back():
            said.extend([await client.say(f"{client} goes on {len(said)}") for client in self.theirs])
            report = await self.herd.report()
            return report["inside"] == len(report["again"]) == HERD and report["again"]

        took = sorted(await eventually(all_back, "they are not back"))
        print(f"{HERD} were back within {took[-1]:.2f} s, half of them within {took[len(took) // 2]:.2f} s")
        self.assertLess(took[len(took) * 99 // 100], LOG_IN_SECONDS)
        said.append(await self.theirs[0].say(mark(1)))

        async def all_shown():
            return (await self.herd.report())["shown"].get("1") == HERD

        await eventually(all_shown, "not all of them are shown what is said")
        await asyncio.gather(*(client.sees(said) for client in self.theirs))
        self.undisturbed(self.theirs)
        await self.mesh.converged()


if __name__ == "__main__":
    unittest.main()
