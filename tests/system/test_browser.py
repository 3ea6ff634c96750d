"""Converse.js in a browser, on three nodes, with clients of both protocols in the room."""

import asyncio
import os
import unittest

from .irc_client import IrcClient
from .mesh import Mesh
from .waiting import eventually
from .web_clients import Converse
from .xmpp_client import XmppClient


class Browser(unittest.IsolatedAsyncioTestCase):
    """Nodes a, b and c in three regions."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.mesh = Mesh("a", "b", "c")
        self.addAsyncCleanup(self.mesh.remove, self)
        await self.mesh.start()

    async def test_a_page_shows_the_room_as_it_is_on_every_node(self):
        alice = await self.mesh.enter(IrcClient("alice"), "a")
        bob = await self.mesh.enter(XmppClient("bob"), "b")
        before = [await alice.say("before anybody looked"), await bob.say("gr\u00fc\u00dfe \U0001f3d4")]
        await self.mesh.converged()

        page = await self.mesh.enter(Converse("carol"), "c")
        await page.shows([(message.nick, message.text) for message in before])

        said = []
        for number in range(3):
            said.append(await page.say(f"typed {number}"))
            heard = [await alice.say(f"from IRC {number}"), await bob.say(f"from XMPP {number}")]
            said += [(message.nick, message.text) for message in heard]
            await page.shows(said)
            for client in (alice, bob):
                await self.hears(client, said)
        order = [shown for shown in page.shown if shown in said]
        self.assertEqual(order, said, "the page shows it in another order, or twice")

        async def everybody():
            return set(await page.sidebar()) >= {"alice", "bob", "carol"}

        await eventually(everybody, lambda: f"beside the room are only {page.people}")
        if picture := os.environ.get("LAVINA_TEST_PICTURE"):
            await page.draw(picture)
        self.assertEqual(page.problems, [], "the page's scripts have failed")

    async def hears(self, client, said):
        await client.until(
            lambda: set(said) <= {(message.nick, message.text) for message in client.live},
            lambda: f"{client} does not hear {said[-3:]}",
        )
