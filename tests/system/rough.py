"""Rough ways between nodes: what they send one another is lost in bursts, comes twice, late, and in another order.

Many kernels cannot do that to packets themselves (tc netem is a module that is often missing), so each node's link goes through this program: a TAP
device in the node's namespace at its one end, one on the bridge at the other. Only packets of the mesh are touched, clients and everything else pass
as they are. `RoughNetwork` is the network; run as a program it is what carries the frames, told how by lines of JSON.
"""

import contextlib
import fcntl
import heapq
import json
import os
import random
import selectors
import struct
import subprocess
import sys
import time

from .network import PREFIX, Network, run

# linux/if_tun.h
TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000

MESH_PORT = struct.pack("!H", 7667)
FRAME_BYTES_MAX = 2048


class RoughNetwork(Network):
    """A network whose ways are smooth until they are told to be otherwise."""

    def __init__(self, names):
        self.carriers = {}
        super().__init__(names)

    def link(self, name):
        for device in (f"in-{name}", f"to-{name}"):
            run("ip", "tuntap", "add", "dev", device, "mode", "tap")
        command = ("setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "system.rough", name)
        carrier = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.carriers[name] = carrier
        # It has hold of both devices then, wherever they go.
        carrier.stdout.readline()
        run("ip", "link", "set", f"in-{name}", "netns", name, "name", "mesh")
        run("ip", "link", "set", f"to-{name}", "master", "mesh", "up")

    def rough(self, **how):
        """From now on packets of the mesh fare so, see `Ways`; without any words as they should."""
        for carrier in self.carriers.values():
            print(json.dumps(how), file=carrier.stdin, flush=True)

    def remove(self):
        for carrier in self.carriers.values():
            carrier.kill()
            carrier.communicate()
        super().remove()


class Ways:
    """What becomes of a packet: how much later it arrives, in seconds, once for each time that it does."""

    def __init__(self, lost=0, burst=1, twice=0.0, later=0.0, much_later=0.0):
        """Of so many packets in a hundred are `lost`, about `burst` in a row; some come `twice`; each is up to `later` seconds late, and one in twenty up to
        `much_later`, so that what was sent after it overtakes it."""
        self.random = random.Random(1)
        self.start = lost / 100 / burst
        self.end = 1 / burst
        self.twice = twice
        self.later = later
        self.much_later = much_later
        self.in_burst = False

    def fate(self):
        draw = self.random.random
        self.in_burst = draw() >= self.end if self.in_burst else draw() < self.start
        if self.in_burst:
            return []
        late = [draw() * (self.much_later if self.much_later and draw() < 0.05 else self.later)]
        return late + [draw() * self.later + 0.005] if draw() < self.twice else late


def is_of_mesh(frame):
    """Whether an Ethernet frame holds a packet between nodes: IPv4, UDP, from or to their port."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 17:
        return False
    ports = 14 + 4 * (frame[14] & 15)
    return MESH_PORT in (frame[ports : ports + 2], frame[ports + 2 : ports + 4])


def tap(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


def put(device, frame):
    # A device that is down or full loses it, as any link does.
    with contextlib.suppress(OSError):
        os.write(device, frame)


def carry(name):
    """Carries a node's frames until it is killed."""
    ready, ways, late = selectors.DefaultSelector(), Ways(), []
    inner, outer = tap(f"in-{name}"), tap(f"to-{name}")
    ready.register(inner, selectors.EVENT_READ, (outer, True))
    ready.register(outer, selectors.EVENT_READ, (inner, False))
    ready.register(sys.stdin, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        wait = late[0][0] - time.monotonic() if late else None
        for key, _ in ready.select(wait if wait is None else max(wait, 0)):
            if key.fileobj is sys.stdin:
                ways = Ways(**json.loads(sys.stdin.readline()))
                continue
            to, is_out = key.data
            try:
                frame = os.read(key.fileobj, FRAME_BYTES_MAX)
            except OSError:
                continue
            if not (is_out and is_of_mesh(frame)):
                put(to, frame)
                continue
            for after in ways.fate():
                heapq.heappush(late, (time.monotonic() + after, to, frame))
        while late and late[0][0] <= time.monotonic():
            _, to, frame = heapq.heappop(late)
            put(to, frame)


if __name__ == "__main__":
    carry(sys.argv[1])
