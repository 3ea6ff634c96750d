"""Machines on which nodes run: wrong clocks, full and lost disks, disks put back from a copy, too few descriptors, too little memory, kills in the start."""

import asyncio
import datetime
import glob
import os
import shutil
import time
import unittest
from pathlib import Path

from .irc_client import CHANNEL, IrcClient
from .network import run
from .talk import DOMAIN
from .trio import Trio
from .waiting import eventually

# Megabytes of a disk that is to be full.
DISK = 24
# Descriptors of a process that is to run out of them: what a node needs for itself, and some clients.
DESCRIPTORS = 80
# More connections than that, and fewer than an address may have before it logs in.
CALLERS = 60
# Megabytes of memory, some more than a node takes.
MEMORY = 256
# Clients that do not read, and what is said to them: together more than that.
DEAF = 60
LINES = 12_000
# After how many seconds of its life a starting node is killed, from the first moments to when it has caught up.
LIVES = (0.01, 0.03, 0.06, 0.1, 0.2, 0.4, 0.8)


def fake_clock():
    """The library by which a process sees another time."""
    return glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")[0]


class Clocks(Trio):
    """Node c's wall clock is wrong. Those of a and b are right, so that most are."""

    at_first = "+0"

    def prepare(self):
        node = self.mesh.nodes["c"]
        self.clock = node.directory / "clock"
        self.set(self.at_first)
        node.around = (
            *("env", f"LD_PRELOAD={fake_clock()}", f"FAKETIME_TIMESTAMP_FILE={self.clock}"),
            *("FAKETIME_CACHE_DURATION=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"),
        )

    def set(self, offset):
        self.clock.write_text(f"{offset}\n")

    async def ahead(self):
        """By how many seconds the clock is ahead of what it should be, as somebody at c is told."""
        shown = (await self.clients[2].ask("TIME", "time")).arguments[-1]
        return datetime.datetime.fromisoformat(shown).timestamp() - time.time()

    async def shows(self, hours):
        """Waits until the clock is ahead by so much, or behind."""

        async def attempt():
            return abs(await self.ahead() - hours * 3600) < 60

        await eventually(attempt, f"the clock does not become {hours} h ahead")

    async def drifts(self):
        """Waits until the clock is further ahead than it is now."""
        first = await self.ahead()

        async def attempt():
            return await self.ahead() > first + 1

        await eventually(attempt, "the clock does not drift")

    async def in_turn(self, about):
        """Each speaks once it has seen what was said before."""
        for number in range(6):
            client = self.clients[number % 3]
            await client.sees(self.said)
            await self.talk(about, 1, [client])
        await self.all_see()

    async def in_order(self):
        """All is in the order in which it was said, and nodes agree on it."""
        reader = await self.reads_all("late", "a")
        texts = [message.text for message in await reader.history()]
        self.assertEqual(texts, [message.text for message in self.said])
        await self.all_well()


class YearsAhead(Clocks):
    """From the start on."""

    at_first = "+1000d"

    async def test_what_is_said_keeps_its_order(self):
        await self.shows(1000 * 24)
        await self.in_turn("years ahead")
        await self.in_order()


class Steps(Clocks):
    """While the node runs."""

    async def test_what_is_said_keeps_its_order_when_a_clock_steps_and_drifts(self):
        for hours in (-3, 2, 0):
            self.set(f"{hours:+}h")
            await self.shows(hours)
            await self.in_turn(f"c's clock at {hours:+} h")
        self.set("+0 x3")
        await self.drifts()
        await self.in_turn("c's clock runs three times too fast")
        await self.in_order()


class Disks(Trio):
    """Node c's data lie on a small disk of its own."""

    def prepare(self):
        self.data = self.mesh.nodes["c"].directory / "data"
        self.data.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={DISK}m,mode=700", "none", str(self.data))
        self.addCleanup(run, "umount", "--lazy", str(self.data))
        self.mesh.nodes["c"].far = ["--no-flood-limit"]

    def fill(self):
        with (self.data / "filler").open("ab", buffering=0) as file, self.assertRaises(OSError):
            while True:
                file.write(b"\0" * 65536)

    async def test_a_full_disk_refuses_what_is_said_there_and_takes_it_again(self):
        carol = self.clients[2]
        self.fill()
        # What room the store has left in its file is soon written full.
        line = "x" * 400
        for number in range(5_000):
            carol.connection.send_raw(f"@label=fill{number} PRIVMSG {CHANNEL} :{line}")
        refused = lambda: next((said for said in carol.labels.values() if said[0].type not in ("pubmsg", "ack")), None)
        event, _ = await carol.until(lambda: carol.lost or refused(), "a full disk takes everything")
        self.assertIsNone(carol.lost)
        self.assertIn("cannot store", event.arguments[-1])

        # Who is there hears the others, and these go on.
        others = self.clients[:2]
        await self.talk("while a disk is full", 5, others)
        await self.all_see()
        self.assertIn("full", (await self.mesh.nodes["c"].status())["store_error"])
        (self.data / "filler").unlink()

        async def takes_again():
            return (await self.mesh.nodes["c"].status())["store_error"] is None

        await eventually(takes_again, "the disk is not taken for free again")
        await self.talk("there is room again", 2)
        await self.all_see()
        await self.mesh.nodes["c"].status()
        await self.all_well()


class Stores(Trio):
    """What becomes of a node's store while it does not run."""

    def stores(self, node):
        return [file for file in (node.directory / "data").iterdir() if file.name.startswith("store")]

    async def test_an_old_copy_of_a_store_is_put_back_and_no_number_is_used_twice(self):
        node, carol = self.mesh.nodes["c"], self.clients[2]
        node.kill()
        copies = {file: node.directory / f"copy-of-{file.name}" for file in self.stores(node)}
        for file, copy in copies.items():
            shutil.copy2(file, copy)
        await node.start()
        await self.mesh.log_in(carol, "c")
        await carol.join()
        await self.talk("after the copy was made", 10)
        await self.all_see(self.clients[:2])
        node.kill()
        for file, copy in copies.items():
            file.unlink()
            shutil.copy2(copy, file)
        await node.start()
        await self.mesh.log_in(carol, "c")
        await carol.join()
        await self.talk("on the old copy", 10)
        await self.all_see(self.clients[:2])
        await self.all_well(self.clients[:2])
        await self.reads_all("late", "c")
        await self.reads_all("later", "a")

    async def test_a_disk_is_lost_and_the_node_is_filled_anew(self):
        node, carol = self.mesh.nodes["c"], self.clients[2]
        await self.talk("before the loss", 5)
        await self.all_see()
        node.kill()
        for file in self.stores(node):
            file.unlink()
        await node.start()
        await self.mesh.log_in(carol, "c")
        await carol.join()
        await self.talk("after the loss", 5)
        await self.all_see(self.clients[:2])
        await self.all_well(self.clients[:2])
        await self.reads_all("late", "c")

    async def test_a_node_is_killed_again_and_again_while_it_starts(self):
        node, here = self.mesh.nodes["c"], self.clients[:2]
        node.kill()
        for life in LIVES:
            await self.talk(f"killed after {life} s", 2, here)
            node.launch()
            await asyncio.sleep(life)
            node.kill()
        await node.start()
        await self.all_well(here)
        await self.reads_all("late", "c")


class Cloned(Trio):
    """A machine is cloned, with node c on it."""

    spares = ("clone",)

    def clone(self):
        """A copy of c as it is now, that runs at another address and is c by its key and name."""
        node, clone = self.mesh.nodes["c"], self.spares["clone"]
        shutil.copytree(node.directory, clone.directory, dirs_exist_ok=True)
        file = clone.directory / "lavina.toml"
        file.write_text(file.read_text().replace(node.address, clone.address))
        return clone

    async def at(self, client, name, count):
        """Somebody says something at a node, which the others see."""
        await self.mesh.log_in(client, name)
        await client.join()
        await self.talk(f"at {name}", count, [client])
        await self.all_see(self.clients[:2])

    async def test_a_clone_and_what_it_was_made_of_run_in_turn_and_at_once_and_no_number_is_used_twice(self):
        node, carol, dora = self.mesh.nodes["c"], self.clients[2], IrcClient("dora")
        node.kill()
        clone = self.clone()
        self.mesh.nodes["clone"] = clone
        await clone.start()
        await self.at(carol, "clone", 10)
        clone.kill()
        await node.start()
        await self.at(carol, "c", 10)
        await self.all_well(self.clients[:2])
        await clone.start()
        await self.at(dora, "clone", 5)
        await self.at(carol, "c", 5)
        clone.kill()
        await self.all_well(self.clients[:2])
        await self.reads_all("late", "c")
        await self.reads_all("later", "a")


class Descriptors(Trio):
    """Node c has few descriptors."""

    def prepare(self):
        self.mesh.nodes["c"].around = ("prlimit", f"--nofile={DESCRIPTORS}")

    async def test_who_is_inside_goes_on_when_descriptors_run_out_and_others_come_in_later(self):
        node, callers = self.mesh.nodes["c"], []
        for _ in range(CALLERS):
            callers.append(await asyncio.open_connection(node.address, 6697))

        async def exhausted():
            return len(os.listdir(f"/proc/{node.process.pid}/fd")) > DESCRIPTORS - 4

        await eventually(exhausted, "the node has descriptors left")
        spent = seconds(node)
        await self.talk("crowded", 5)
        await self.all_see()
        self.assertLess(seconds(node) - spent, 2, "the node spins")
        for _, writer in callers:
            writer.close()
        await self.reads_all("late", "c")
        await self.all_well()


class Memory(Trio):
    """Node c has little memory."""

    def prepare(self):
        node, memory = self.mesh.nodes["c"], MemoryGroup(MEMORY)
        self.addCleanup(memory.remove)
        # It is the group's last process.
        self.addCleanup(node.kill)
        node.far = ["--no-flood-limit"]
        node.around = memory.enter()

    async def caller(self, name):
        """Somebody who enters the room and reads nothing after that."""
        node = self.mesh.nodes["c"]
        reader, writer = await asyncio.open_connection(
            node.address, 6697, ssl=node.trusted(), server_hostname=DOMAIN, limit=4096
        )
        writer.write(f"NICK {name}\r\nUSER {name} 0 * :{name}\r\nJOIN {CHANNEL}\r\n".encode())
        while b" 366 " not in await reader.readline():
            pass
        return writer

    async def test_who_reads_nothing_is_cut_off_before_memory_runs_out(self):
        alice, carol = self.clients[0], self.clients[2]
        deaf = [await self.caller(f"deaf{number}") for number in range(DEAF)]
        for number in range(LINES):
            carol.connection.send_raw(f"PRIVMSG {CHANNEL} :{number} {'x' * 400}")
            if number % 200 == 0:
                # Neither of the two is to read too slowly.
                await alice.until(lambda: len(alice.live) >= number, lambda: f"only {len(alice.live)} lines came")
        self.assertIsNone(self.mesh.nodes["c"].process.poll(), "the node has run out of memory")
        for writer in deaf:
            writer.transport.abort()
        await self.talk("all is well", 2)
        await self.all_see()
        await self.all_well()


def seconds(node):
    """How long a node's process has been on a processor."""
    times = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


class MemoryGroup:
    """A control group whose processes have so many megabytes together, of either version of the kernel's interface."""

    def __init__(self, megabytes):
        both = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max"))
        base, limit = next(one for one in both if Path(one[0], "cgroup.procs").exists())
        self.folder = Path(base, f"lavina-test-{os.getpid()}")
        self.folder.mkdir()
        (self.folder / limit).write_text(str(megabytes * 1024 * 1024))

    def enter(self):
        """What to put before a program so that it runs in the group."""
        return ("sh", "-c", f'echo $$ > {self.folder}/cgroup.procs && exec "$0" "$@"')

    def remove(self):
        self.folder.rmdir()


if __name__ == "__main__":
    unittest.main()
