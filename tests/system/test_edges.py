"""Where clients come in: WebSocket, one port for many protocols, proxies, files."""

import asyncio
import contextlib
import json
import subprocess
import unittest
from xml.etree import ElementTree

from .irc_client import IrcClient
from .mesh import Mesh
from .network import CLIENTS
from .talk import DOMAIN
from .web_clients import PORT, BoshClient, WebIrcClient, WebXmppClient
from .xmpp_client import XmppClient


class Edges(unittest.IsolatedAsyncioTestCase):
    """Nodes a, b and c in three regions; c takes PROXY headers from where the clients are."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        self.mesh = Mesh("a", "b", "c")
        self.addAsyncCleanup(self.mesh.remove, self)
        await self.mesh.start()

    async def test_clients_over_websocket_http_and_tcp_talk_in_one_room_on_three_nodes(self):
        text = await self.mesh.enter(WebIrcClient("alice"), "a")
        binary = await self.mesh.enter(WebIrcClient("bob", binary=True), "b")
        web = await self.mesh.enter(WebXmppClient("carol"), "c")
        bosh = await self.mesh.enter(BoshClient("mallory"), "b")
        plain = await self.mesh.enter(IrcClient("dave"), "a")
        stream = await self.mesh.enter(XmppClient("erin"), "b")
        everyone = [text, binary, web, bosh, plain, stream]
        said = []
        for number in range(3):
            for client in everyone:
                said.append(await client.say(f"{number} from {client.nick}, gr\u00fc\u00dfe \U0001f3d4"))
                await asyncio.gather(*(other.sees(said) for other in everyone))
        for client in everyone:
            self.assertEqual(client.live, said, client)

    async def openssl(self, node, alpn, text):
        """What a node answers over TLS to who chooses a protocol by ALPN."""
        certificate = node.directory / "data" / "client-cert.pem"
        process = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile", certificate),
            *("-connect", f"{node.address}:{PORT}", "-servername", DOMAIN, "-verify_hostname", DOMAIN),
            *(("-alpn", alpn) if alpn else ()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        process.stdin.write(text.encode())
        await process.stdin.drain()
        said = await asyncio.wait_for(process.stdout.read(65536), 20)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()
        return said.decode()

    async def test_one_port_of_each_node_is_for_every_protocol(self):
        for node in self.mesh.nodes.values():
            irc = await self.openssl(node, "irc", "CAP LS 302\r\n")
            self.assertIn(" CAP * LS ", irc)
            header = (
                f"<stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client' "
                "xmlns:stream='http://etherx.jabber.org/streams'>"
            )
            self.assertIn("<stream:stream ", await self.openssl(node, "xmpp-client", header))
            request = f"GET /.well-known/host-meta.json HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n"
            for alpn in ("http/1.1", None):
                meta = json.loads((await self.openssl(node, alpn, request)).partition("\r\n\r\n")[2])
                links = [link["href"] for link in meta["links"]]
                self.assertEqual(links, [f"wss://{DOMAIN}:{PORT}/xmpp-websocket", f"https://{DOMAIN}:{PORT}/http-bind"])

    async def test_a_proxy_before_one_node_shows_the_same_host_on_another(self):
        node = self.mesh.nodes["c"]
        node.kill()
        with (node.directory / "lavina.toml").open("a") as file:
            file.write(f'proxy-from = ["{CLIENTS}"]\n')
        await node.start()
        await self.mesh.connected()
        hosts = {}
        for name, source in (("frank", "192.0.2.1"), ("grace", "192.0.2.1"), ("heidi", "198.51.100.7")):
            reader, writer = await asyncio.open_connection(node.address, 6697)
            # The header comes before TLS.
            writer.write(f"PROXY TCP4 {source} {node.address} 56324 6697\r\n".encode())
            await writer.drain()
            await writer.start_tls(node.trusted(), server_hostname=DOMAIN)
            writer.write(f"NICK {name}\r\nUSER {name} 0 * :{name}\r\nUSERHOST {name}\r\n".encode())
            self.addAsyncCleanup(asyncio.to_thread, writer.close)
            while b" 302 " not in (line := await asyncio.wait_for(reader.readline(), 20)):
                self.assertTrue(line, "the connection has ended")
            hosts[name] = line.decode().strip().rpartition("@")[2]
        self.assertEqual(hosts["frank"], hosts["grace"])
        self.assertNotEqual(hosts["frank"], hosts["heidi"])
        alice = await self.mesh.enter(WebIrcClient("alice"), "a")
        await alice.send("WHOIS frank")
        self.assertIn(hosts["frank"], await alice.line(" 311 "))

    async def test_files_are_put_by_either_protocol_and_outlive_their_node_being_killed(self):
        node = self.mesh.nodes["b"]
        erin = XmppClient("erin")
        await self.mesh.log_in(erin, "b")
        request = ElementTree.Element("{urn:xmpp:http:upload:0}request")
        request.attrib.update({"filename": "Katze \u00fc.txt", "size": "6", "content-type": "text/plain"})
        question = erin.stream.make_iq_get(ito=DOMAIN)
        question.append(request)
        slot = (await question.send(timeout=20)).xml[0]
        put, get = (slot.find(f"{{urn:xmpp:http:upload:0}}{way}").attrib["url"] for way in ("put", "get"))
        status = ("--output", "/dev/null", "--write-out", "%{http_code}")
        upload = ("--request", "PUT", "--header", "Content-Type: text/plain", *status)
        self.assertEqual(curl(node, *upload, "--data-binary", "too long", put), b"400")
        self.assertEqual(curl(node, *upload, "--data-binary", "miaow!", put), b"201")
        self.assertEqual(curl(node, *upload, "--data-binary", "miaow!", put), b"409")
        self.assertEqual(curl(node, *upload, "--data-binary", "miaow!", put.replace("size=6", "size=7")), b"403")

        alice = WebIrcClient("alice")
        await self.mesh.log_in(alice, "b")
        token = (await alice.line("draft/FILEHOST=")).partition("draft/FILEHOST=")[2].split(" ")[0]
        answer = curl(node, "--include", "--data-binary", "purr", "--header", "Content-Type: image/svg+xml", token)
        location = next(line for line in answer.decode().splitlines() if line.lower().startswith("location: "))

        # Another node takes over what it is asked for, and has it when this one is gone.
        other = self.mesh.nodes["a"]
        other.kill()
        with (other.directory / "lavina.toml").open("a") as file:
            file.write(f'file-peers = ["https://{node.address}:{PORT}"]\n')
        await other.start()
        self.assertEqual(curl(other, get), b"miaow!")
        node.kill()
        self.assertEqual(curl(other, get), b"miaow!")
        await node.start()
        self.assertEqual(curl(node, get), b"miaow!")
        shown = curl(node, "--include", location.split(" ")[1]).decode().lower()
        self.assertTrue(shown.endswith("purr"), shown)
        self.assertIn("content-type: application/octet-stream", shown)
        self.assertIn("content-disposition: attachment", shown)


def curl(node, *arguments):
    """What curl says of a node's HTTP."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--cacert", node.directory / "data" / "client-cert.pem"]
        + ["--resolve", f"{DOMAIN}:{PORT}:{node.address}", *arguments],
        capture_output=True,
        timeout=30,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{arguments}: {done.stderr}")
    return done.stdout
