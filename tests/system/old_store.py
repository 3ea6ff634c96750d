"""Stores as earlier builds wrote them: each is a node's whole directory in an archive, with what is known to be in it.

An archive is made by the build whose store it is, once, before the next build changes the format:

  LAVINA_BINARY=OLD tests/system/run system.old_store.Make.make
"""

import asyncio
import json
import tarfile
import unittest
from pathlib import Path

from .irc_client import CHANNEL, IrcClient
from .mesh import Mesh
from .talk import Message
from .waiting import eventually
from .xmpp_client import XmppClient

FOLDER = Path(__file__).parent / "stores"
KNOWN = "known.json"
TOPIC = "written long ago"


class OldStore:
    """What an archive holds."""

    def __init__(self, name, directory):
        """Unpacks it into the directory of a node that has not been made."""
        with tarfile.open(FOLDER / f"{name}.tar.xz") as archive:
            archive.extractall(directory, filter="data")
        known = json.loads((directory / KNOWN).read_text())
        self.said = [Message(*message) for message in known["said"]]
        # What bob was told while he was away.
        self.direct = known["direct"]


class Make(unittest.IsolatedAsyncioTestCase):
    """Makes `stores/new.tar.xz`: alice has founded the room, bob may moderate it, mallory is banned."""

    async def make(self):
        asyncio.get_running_loop().set_debug(False)
        mesh = Mesh("a", placed=True)
        self.addAsyncCleanup(mesh.remove, self)
        await mesh.start()
        alice, bob, mallory = IrcClient("alice"), XmppClient("bob"), IrcClient("mallory")
        for client in (alice, bob, mallory):
            await mesh.log_in(client, "a")
        await alice.join()
        await alice.ask(f"CS REGISTER {CHANNEL}", "privnotice")
        await alice.ask(f"CS AMODE {CHANNEL} +o bob", "privnotice")
        await alice.ask(f"TOPIC {CHANNEL} :{TOPIC}", "topic")
        await alice.ask(f"MODE {CHANNEL} +b $a:mallory", "mode")
        await bob.join()
        said = [await client.say(f"{client} {number}") for number in range(25) for client in (alice, bob)]
        bob.close()
        alice.connection.send_raw("PRIVMSG bob :while you are away")
        last = await alice.say("the last of it")
        node = mesh.nodes["a"]

        async def idle():
            return (await node.status())["sessions"] <= 2

        await eventually(idle, "bob does not go")
        await node.stop()
        known = {"said": [[m.id, m.nick, m.text] for m in [*said, last]], "direct": "while you are away"}
        (node.directory / KNOWN).write_text(json.dumps(known))
        FOLDER.mkdir(exist_ok=True)
        with tarfile.open(FOLDER / "new.tar.xz", "w:xz") as archive:
            for name in ("lavina.toml", "data", KNOWN):
                archive.add(node.directory / name, name)


if __name__ == "__main__":
    unittest.main()
