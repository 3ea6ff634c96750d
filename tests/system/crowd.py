"""Many plain IRC clients that cost little: they enter a room, count the marks that they are shown, and say when they lose their node.

`Crowd` is a process with some of them. Run as a program it is that process, told what to do by lines of JSON and answering each with one.
"""

import asyncio
import base64
import collections
import contextlib
import itertools
import json
import re
import resource
import ssl
import sys
import time

from .talk import DOMAIN

# What is counted when it is shown: a line with one of these says nothing else.
MARK = re.compile(rb"\bmark-(\d+)~")
# What is kept of what came, so that a mark that comes in two pieces is found, and the last words of a node are.
KEPT_BYTES = 120
# Connections that a process begins at once, and a client's pause before it tries its next node, in seconds.
AT_ONCE = 600
PAUSE_SECONDS = 0.2
# Descriptors that a process needs beside its connections.
SPARE_DESCRIPTORS = 64
# Longest answer of the process, in bytes.
ANSWER_BYTES_MAX = 16 * 1024 * 1024


def mark(number):
    """A line that is counted."""
    return f"mark-{number}~"


class Crowd:
    """A process with so many clients whose names begin alike, who come from these addresses. Each tries these nodes one after the other, and begins with the
    next of them than the client before; `others` are for when none of them is there. With a password they have an account each and go by TLS, trusting each
    node's certificate, which is where `trusted` says by its address."""

    def __init__(self, name, count, room, sources, nodes, others=(), trusted=None, password=None):
        self.told = {
            "name": name,
            "count": count,
            "room": room,
            "sources": sources,
            "nodes": nodes,
            "others": others,
            "trusted": trusted or {},
            "password": password,
        }
        self.process = None

    async def start(self):
        command = ("setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "system.crowd")
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=ANSWER_BYTES_MAX)
        return await self.ask(self.told)

    async def ask(self, question):
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        line = await self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the crowd {self.told['name']} has ended")
        return json.loads(line)

    async def enter(self):
        """All come into the room; how long each took, in seconds."""
        return await self.ask({"do": "enter"})

    async def report(self):
        """`inside`: how many are in the room; `lost`: why some lost their nodes; `again`: how long each of these took to come in again, in
        seconds; `shown`: how many were shown each mark; `twice`: how often somebody was shown one more than once."""
        return await self.ask({"do": "report"})

    def stop(self):
        if self.process and self.process.returncode is None:
            self.process.kill()


class Light(asyncio.Protocol):
    """One client: it looks for a node, logs in where it is to, enters the room, and does so again when it loses its node."""

    def __init__(self, crowd, number):
        self.crowd = crowd
        self.nick = f"{crowd.name}{number}"
        self.source = crowd.sources[number % len(crowd.sources)]
        self.nodes = rotated(crowd.nodes, number) + rotated(crowd.others, number // len(crowd.nodes))
        self.has_account = False
        self.shown = collections.Counter()
        self.state = "out"

    async def look(self):
        """Tries one node after the other until it is in the room; how long that took."""
        began = time.monotonic()
        for address in itertools.cycle(self.nodes):
            async with self.crowd.turns:
                self.settled = asyncio.get_running_loop().create_future()
                with contextlib.suppress(OSError):
                    await self.crowd.connect(self, address)
                    await self.settled
            if self.state == "inside":
                return time.monotonic() - began
            await asyncio.sleep(PAUSE_SECONDS)

    def send(self, *lines):
        self.transport.write("".join(f"{line}\r\n" for line in lines).encode())

    def connection_made(self, transport):
        self.transport, self.rest, self.state = transport, b"", "new"
        if self.has_account:
            self.send("CAP REQ :sasl")
        self.send(f"NICK {self.nick}", f"USER {self.nick} 0 * :{self.nick}")

    def data_received(self, data):
        data = self.rest + data
        while self.state == "new" and b"\r\n" in data:
            line, _, data = data.partition(b"\r\n")
            self.on_line(line.decode())
        self.rest = data
        if self.state != "new":
            self.look_through(data)

    def on_line(self, line):
        words = line.split(" ")
        word = words[1] if line.startswith(":") else words[0]
        if word == "PING":
            self.send(f"PONG {words[1]}")
        elif word == "CAP":
            self.send("AUTHENTICATE PLAIN")
        elif word == "AUTHENTICATE":
            token = base64.b64encode(f"\0{self.nick}\0{self.crowd.password}".encode()).decode()
            self.send(f"AUTHENTICATE {token}")
        elif word == "903":
            self.send("CAP END")
        elif word == "904":
            # The node may not have heard of the account.
            self.transport.close()
        elif word == "376" or word == "422":
            registers = self.crowd.password and not self.has_account
            self.send(f"REGISTER * * :{self.crowd.password}" if registers else f"JOIN #{self.crowd.room}")
        elif word == "REGISTER":
            self.has_account = words[2] == "SUCCESS"
            self.send(f"JOIN #{self.crowd.room}")
        elif word == "JOIN":
            self.state = "entering"
        elif word == "ERROR":
            self.rest = line.encode()

    def look_through(self, data):
        """What is told in a room is mostly not for it, and there is much of it."""
        end = 0
        if b"~" in data:
            for found in MARK.finditer(data):
                self.shown[int(found[1])] += 1
                end = found.end()
        if self.state == "entering" and b" 366 " in data:
            self.state = "inside"
            self.settled.set_result(None)
        if b"PING :" in data:
            self.send("PONG :here")
        self.rest = data[max(end, len(data) - KEPT_BYTES) :]

    def connection_lost(self, problem):
        was, self.state = self.state, "out"
        if was == "inside":
            self.crowd.on_lost(self, f"{problem or ''} {self.rest.decode(errors='replace')}")
        elif not self.settled.done():
            self.settled.set_result(None)


class Program:
    """What the process does."""

    def __init__(self, name, count, room, sources, nodes, others, trusted, password):
        self.name = name
        self.room = room
        self.sources = sources
        self.nodes = nodes
        self.others = others
        self.password = password
        self.tls = {address: ssl.create_default_context(cafile=file) for address, file in trusted.items()}
        self.turns = asyncio.Semaphore(AT_ONCE)
        self.lost = []
        self.looking = set()
        self.again = []
        self.clients = [Light(self, number) for number in range(count)]

    async def connect(self, client, address):
        loop = asyncio.get_running_loop()
        secure = {"ssl": self.tls[address], "server_hostname": DOMAIN} if self.tls else {}
        port = 6697 if self.tls else 6667
        await loop.create_connection(lambda: client, address, port, local_addr=(client.source, 0), **secure)

    def on_lost(self, client, why):
        self.lost.append(why)

        def back(task):
            self.looking.discard(task)
            self.again.append(task.result())

        task = asyncio.ensure_future(client.look())
        self.looking.add(task)
        task.add_done_callback(back)

    async def enter(self):
        return await asyncio.gather(*(client.look() for client in self.clients))

    def report(self):
        shown = collections.Counter(number for client in self.clients for number in client.shown)
        return {
            "inside": sum(client.state == "inside" for client in self.clients),
            "lost": self.lost,
            "again": self.again,
            "shown": shown,
            "twice": sum(times > 1 for client in self.clients for times in client.shown.values()),
        }

    async def answer(self, do):
        return await self.enter() if do == "enter" else self.report()


def rotated(items, number):
    """The same by turns, beginning with another one."""
    first = number % len(items) if items else 0
    return items[first:] + items[:first]


async def main():
    loop = asyncio.get_running_loop()
    questions = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    told = json.loads(await questions.readline())
    enough_descriptors(told["count"] + SPARE_DESCRIPTORS)
    program, answer = Program(**told), {}
    while True:
        print(json.dumps(answer), flush=True)
        question = await questions.readline()
        if not question:
            return
        answer = await program.answer(**json.loads(question))


def enough_descriptors(count):
    """Lets this process, and those that it starts, have so many descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise OSError(f"{count} descriptors are needed, and no process may have more than {hard} here")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


if __name__ == "__main__":
    asyncio.run(main())
