"""Nodes of a mesh as processes of the real binary, each in a network namespace and a directory of its own."""

import asyncio
import itertools
import json
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
from pathlib import Path

from .network import Network
from .talk import DOMAIN
from .waiting import eventually

BINARY = os.environ["LAVINA_BINARY"]
# Where the files of a failed test are left to be looked at.
FAILURES = Path(os.environ["LAVINA_TEST_FAILURES"])
REGIONS = ("eu", "us", "ap", "sa", "af")
PASSWORD = "correct horse battery staple"
COMMAND_SECONDS = 30


class Node:
    """One node; it can be killed and started again."""

    def __init__(self, name, region, network, directory):
        self.name = name
        self.region = region
        self.far = []
        # What to put before the program when it serves: other limits, another clock.
        self.around = ()
        self.place = ("--region", region, "--zone", "a", "--name", name, "--listen", network.addresses[name])
        self.network = network
        self.address = network.addresses[name]
        self.directory = directory / name
        self.log = self.directory / "log"
        self.process = None
        # Another build of the program, to be one of several versions.
        self.binary = BINARY
        self.directory.mkdir()

    def command(self, *arguments, around=()):
        """A process of the binary in the node's namespace, that does not outlive the test."""
        return [*self.network.inside(self.name), "setpriv", "--pdeathsig", "KILL", *around, self.binary, *arguments]

    def run(self, *arguments):
        """Runs a command of the binary to its end and gives what it printed."""
        command = self.command(*arguments)
        done = subprocess.run(
            command, cwd=self.directory, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
        if done.returncode:
            raise AssertionError(f"{self.name}: lavina {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def configure(self, lines):
        """Adds lines to the configuration, in place of those of the same keys."""
        file = self.directory / "lavina.toml"
        # What stands in tables comes last, and is of theirs.
        new = {line.partition(" = ")[0] for line in f"\n{lines}".partition("\n[")[0].split("\n")} - {""}
        kept = [line for line in file.read_text().splitlines() if line.partition(" = ")[0] not in new]
        file.write_text("\n".join(kept) + "\n" + lines)

    async def start(self):
        self.launch()
        await eventually(self.ready, lambda: f"node {self.name} does not come up: {self.tail()}")

    def launch(self):
        """Starts the process, whatever becomes of it."""
        with self.log.open("ab") as log:
            command = self.command("serve", *self.far, around=self.around)
            self.process = subprocess.Popen(command, cwd=self.directory, stdout=log, stderr=log)

    async def ready(self):
        """Whether clients and operators can reach it."""
        if self.process.poll() is not None:
            raise AssertionError(f"node {self.name} ended by itself: {self.tail()}")
        _, writer = await asyncio.open_connection(self.address, 5222)
        writer.close()
        return await self.status()

    def tail(self):
        return self.log.read_text(errors="replace")[-2000:]

    async def status(self):
        """What `lavina status --json` says; ConnectionError while it cannot."""
        process = await asyncio.create_subprocess_exec(
            *self.command("status", "--json"), cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        said, problem = await process.communicate()
        if process.returncode:
            raise ConnectionRefusedError(problem.decode())
        return json.loads(said)

    async def peers(self):
        """The other nodes, by name, and whether each is connected."""
        return {peer["name"]: peer["connected"] for peer in (await self.status())["peers"]}

    def kill(self):
        """kill -9: no chance to finish anything."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    async def stop(self):
        """As a service is stopped: it ends what it does."""
        self.process.send_signal(signal.SIGTERM)
        await eventually(self.ended, f"node {self.name} does not stop: {self.tail()}")

    async def ended(self):
        return self.process.poll() is not None

    def pause(self):
        """The process stands still, with all its connections."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def trusted(self):
        """TLS as users have it who were given the node's certificate: it is checked, and the name in it too."""
        return ssl.create_default_context(cafile=self.directory / "data" / "client-cert.pem")


class Mesh:
    """Nodes of these names, each in a region of its own, or in the one that `regions` names. `far` is how long the way to another region
    takes, `network` another one than where all reach each other. Every node holds everything, so that what they hold can be compared as a
    whole, unless `placed` leaves rooms where the configuration has them by default."""

    def __init__(self, *names, regions=REGIONS, far=None, network=None, placed=False):
        self.replicas = "" if placed else 'mesh-replicas = "all"\n'
        self.directory = Path(tempfile.mkdtemp(prefix="lavina-test-"))
        self.network = network or Network(names)
        self.nodes = {
            name: Node(name, region, self.network, self.directory) for name, region in zip(names, regions, strict=False)
        }
        for node in self.nodes.values():
            others = [other for other in self.nodes.values() if other.region != node.region]
            node.far = [word for other in others for word in ("--far", f"{other.address}:7667={far}")] if far else []
        self.accounts = set()
        self.clients = []

    async def start(self, settings=None, connected=True):
        """The first node makes the mesh, the others join with tickets; `settings` are lines for the configurations of nodes. Waits until
        all are connected, unless told otherwise."""
        first, *others = self.nodes.values()
        first.run("init", DOMAIN, *first.place)
        first.configure(self.replicas)
        first.configure((settings or {}).get(first.name, ""))
        await first.start()
        for node in others:
            lines = (settings or {}).get(node.name, "")
            await self.join(node, lambda node=node, lines=lines: node.configure(lines))
        if connected:
            await self.connected()

    async def join(self, node, prepare=lambda: None):
        """Joins a node with a ticket of the first; `prepare` is called before it runs."""
        first = next(iter(self.nodes.values()))
        ticket = json.loads(first.run("ticket", "--json"))["ticket"]
        node.run("join", ticket, *node.place)
        node.configure(self.replicas)
        prepare()
        await node.start()

    def running(self):
        """The nodes that run."""
        return [node for node in self.nodes.values() if node.process and node.process.poll() is None]

    async def connected(self):
        """Waits until every node that runs has a connection to every other."""
        running = self.running()

        async def attempt():
            views = [await node.peers() for node in running]
            return all(sum(view.values()) == len(running) - 1 for view in views)

        await eventually(attempt, "the nodes are not all connected")

    async def converged(self):
        """Waits until every node that runs holds the same, to the byte."""
        digests = {}

        async def attempt():
            digests.clear()
            for node in self.running():
                digests[node.name] = (await node.status())["digest"]
            return len(set(digests.values())) == 1

        await eventually(attempt, lambda: f"the nodes differ: {digests}")

    async def knows_cut(self, name):
        """Waits until a node and all others know that they do not reach each other."""
        others = [node for node in self.nodes.values() if node.name != name]

        async def attempt():
            own = await self.nodes[name].peers()
            theirs = [await node.peers() for node in others]
            return not any(own.values()) and not any(view[name] for view in theirs)

        await eventually(attempt, f"the cut around {name} is not noticed")

    async def log_in(self, client, node):
        """Connects a client to a node; its account is made at the first node that runs when it is new, and waited for elsewhere."""
        node = self.nodes[node]
        if client.nick not in self.accounts:
            self.accounts.add(client.nick)
            self.running()[0].run("account", "add", client.nick, "--password", PASSWORD)
        self.clients.append(client)
        await eventually(lambda: client.attempt(node, PASSWORD), f"{client} cannot log in at {node.name}")

    async def enter(self, client, node):
        """Connects a client to a node and has it enter its room; the client."""
        await self.log_in(client, node)
        await client.join()
        return client

    async def fail_over(self, client, *names, connect=None):
        """A client that is known here tries one of these nodes after the other until it is logged in, as clients do that were given several
        addresses; the name of the node. `connect` is how it tries one."""
        connect = connect or (lambda node: client.attempt(node, PASSWORD))
        tried = itertools.cycle(names)

        async def attempt():
            name = next(tried)
            await connect(self.nodes[name])
            return name

        return await eventually(attempt, f"{client} finds no node")

    async def remove(self, test):
        """Ends what was started; the files stay when the test has failed."""
        for client in self.clients:
            client.close()
        for node in self.nodes.values():
            if node.process and node.process.poll() is None:
                node.kill()
        self.network.remove()
        if failed(test):
            FAILURES.mkdir(parents=True, exist_ok=True)
            kept = FAILURES / test._testMethodName
            shutil.rmtree(kept, ignore_errors=True)
            shutil.move(self.directory, kept)
            print(f"the nodes' files and logs are in {kept}")
        else:
            shutil.rmtree(self.directory)


def failed(test):
    """Whether a running test has failed so far."""
    result = test._outcome.result
    return any(case is test for case, _ in result.failures + result.errors) or not test._outcome.success
