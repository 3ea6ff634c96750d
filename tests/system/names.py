"""A resolver for the domains of a test: a few records, answered over UDP, and the file that sends everybody there."""

import asyncio
import ipaddress
import subprocess
import tempfile
from pathlib import Path

PORT = 53
A, SRV, NAME_ERROR = 1, 33, 3
# A response to a recursive question, from who knows.
FLAGS = 0x8580


def encoded(name):
    labels = [label for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


class Names(asyncio.DatagramProtocol):
    """`addresses` are those of hosts; `services` are lists of (priority, host, port) by service and domain, for servers that look for servers."""

    def __init__(self, addresses, services):
        self.addresses = addresses
        self.services = services
        self.transport = None
        self.asked = []

    async def start(self, address):
        """Answers at an address, and makes it the resolver of every process of this mount namespace."""
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(address, PORT))
        with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as file:
            file.write(f"nameserver {address}\n")
        # The mount outlives the file's name, and ends with the namespace.
        subprocess.run(("mount", "--bind", file.name, "/etc/resolv.conf"), check=True)
        Path(file.name).unlink()

    def stop(self):
        subprocess.run(("umount", "/etc/resolv.conf"), check=True)
        self.transport.close()

    def connection_made(self, transport):
        pass

    def datagram_received(self, data, sender):
        labels, at = [], 12
        while length := data[at]:
            labels.append(data[at + 1 : at + 1 + length].decode().lower())
            at += 1 + length
        question, kind = data[12 : at + 5], int.from_bytes(data[at + 1 : at + 3], "big")
        name = ".".join(labels)
        self.asked.append((name, kind))
        records = list(self.records(name, kind))
        known = bool(records) or name in self.addresses
        header = data[:2] + (FLAGS | (0 if known else NAME_ERROR)).to_bytes(2, "big")
        counts = b"".join(count.to_bytes(2, "big") for count in (1, len(records), 0, 0))
        # Each record is of the name that was asked for, which stands at the twelfth byte.
        fixed = b"\xc0\x0c" + kind.to_bytes(2, "big") + b"\0\1" + (60).to_bytes(4, "big")
        answers = b"".join(fixed + len(record).to_bytes(2, "big") + record for record in records)
        self.transport.sendto(header + counts + question + answers, sender)

    def records(self, name, kind):
        if kind == A and name in self.addresses:
            yield ipaddress.ip_address(self.addresses[name]).packed
        service, _, domain = name.partition("._tcp.")
        if kind == SRV:
            for priority, host, port in self.services.get((service, domain), []):
                numbers = (priority, 1, port)
                yield b"".join(number.to_bytes(2, "big") for number in numbers) + encoded(host)
