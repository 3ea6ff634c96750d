"""Log-in with all that follows it in one step (XEP-0388, 0386, 0484, 0198), driven by @xmpp/client beside an IRC client and slixmpp."""

import asyncio
import unittest

from .irc_client import IrcClient
from .js_client import JsClient
from .mesh import Mesh
from .xmpp_client import XmppClient


class OneStep(unittest.IsolatedAsyncioTestCase):
    """Nodes a, b and c, a client of another kind at each."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.mesh = Mesh("a", "b", "c")
        self.addAsyncCleanup(self.mesh.remove, self)
        await self.mesh.start()

    async def test_three_clients_of_three_kinds_in_one_room(self):
        alice = await self.mesh.enter(IrcClient("alice"), "a")
        bob = await self.mesh.enter(XmppClient("bob"), "b")
        carol = await self.mesh.enter(JsClient("carol"), "c")
        self.assertTrue(carol.jid.startswith("carol@chat.example/js/"), f"{carol.jid} was not bound inline")
        said = []
        for number in range(5):
            for speaker in (alice, bob, carol):
                said.append(await speaker.say(f"{speaker} {number}"))
                for client in (alice, bob, carol):
                    await client.sees(said)
        for client in (alice, bob, carol):
            self.assertEqual(client.live[-len(said) :], said)

    async def test_a_cut_connection_is_resumed_within_the_log_in(self):
        alice = await self.mesh.enter(IrcClient("alice"), "a")
        carol = await self.mesh.enter(JsClient("carol"), "a")
        jid, said = carol.jid, []
        for number in range(3):
            said.append(await alice.say(f"before {number}"))
            await carol.cut_connection()
            said.append(await alice.say(f"after {number}"))
            said.append(await carol.say(f"here {number}"))
            await carol.sees(said)
            await alice.sees(said)
        self.assertEqual((carol.jid, carol.live[-len(said) :], carol.twice()), (jid, said, []))
        self.assertEqual(carol.mechanisms[1:], ["HT-SHA-256-NONE"] * 3, "a token was there")

    async def test_a_token_of_one_node_is_good_at_another(self):
        carol = JsClient("carol")
        await self.mesh.log_in(carol, "a")
        self.assertEqual(carol.mechanisms, ["SCRAM-SHA-1"])
        token = carol.token
        await self.mesh.converged()
        carol.close()
        await carol.attempt(self.mesh.nodes["c"], "not her password", token)
        self.assertEqual((carol.mechanisms, carol.errors), (["HT-SHA-256-NONE"], []))
        carol.close()
        with self.assertRaises(ConnectionRefusedError):
            await carol.attempt(self.mesh.nodes["b"], "not her password", {**token, "token": "0" * 64})
