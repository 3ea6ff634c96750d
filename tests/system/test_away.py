"""Messages for who is away (XEP-0160): given to them once, at whatever node they come to."""

import asyncio
import unittest

from .mesh import Mesh
from .xmpp_client import XmppClient


class Away(unittest.IsolatedAsyncioTestCase):
    """Nodes a, b and c."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.mesh = Mesh("a", "b", "c")
        self.addAsyncCleanup(self.mesh.remove, self)
        await self.mesh.start()

    async def test_what_was_said_to_who_is_away_comes_once(self):
        bob, carol = XmppClient("bob"), XmppClient("carol")
        await self.mesh.log_in(carol, "a")
        carol.close()
        await self.mesh.log_in(bob, "b")
        await self.mesh.converged()
        texts = ["one", "two"]
        for text in texts:
            bob.tell("carol", text)
        await bob.settled()
        await self.mesh.converged()

        await self.mesh.log_in(carol, "c")
        await carol.until(lambda: len(carol.direct) >= len(texts), lambda: f"only {carol.direct}")
        bob.tell("carol", "three")
        await carol.until(lambda: len(carol.direct) > len(texts), lambda: f"only {carol.direct}")
        wanted = [("bob@chat.example", text, text != "three") for text in (*texts, "three")]
        self.assertEqual(carol.direct, wanted)

        carol.close()
        await self.mesh.converged()
        await self.mesh.log_in(carol, "b")
        await carol.settled()
        self.assertEqual(carol.direct, wanted, "she was told twice")
