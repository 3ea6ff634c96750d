"""A network of namespaces: one a node, joined by a bridge, with cuts between nodes that their clients do not feel.

Run inside a private network namespace (tests/system/run makes one): the bridge is there, with the clients, at .254.
"""

import subprocess

PREFIX = "10.77.0"
CLIENTS = f"{PREFIX}.254"
# The last number of the first address that clients have beside it.
CLIENTS_FIRST = 100

# Drops packets to and from the addresses of `peers`, and those from `unheard`; everything else, clients above all, passes.
CUT_RULES = """
table inet cut {
  set peers { type ipv4_addr; }
  set unheard { type ipv4_addr; }
  chain incoming { type filter hook input priority 0; ip saddr @peers drop; ip saddr @unheard drop; }
  chain outgoing { type filter hook output priority 0; ip daddr @peers drop; }
}
"""

# Of what other nodes send, some of a hundred packets never arrive.
LOSS_RULES = """
table inet loss {
  chain incoming { type filter hook input priority 0; udp dport 7667 numgen random mod 100 < %d drop; }
}
"""

# Of UDP only answers come in.
ROUTER_RULES = """
table inet router {
  chain incoming { type filter hook input priority 0; meta l4proto udp ct state new drop; }
}
"""


def run(*command, stdin=None):
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Network:
    """Namespaces for the nodes of these names, at .1, .2 and so on."""

    def __init__(self, names):
        self.addresses = {name: f"{PREFIX}.{number}" for number, name in enumerate(names, 1)}
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "mesh", "type", "bridge")
        run("ip", "address", "add", f"{CLIENTS}/24", "dev", "mesh")
        run("ip", "link", "set", "mesh", "up")
        for name, address in self.addresses.items():
            run("ip", "netns", "add", name)
            self.link(name)
            run("ip", "-n", name, "address", "add", f"{address}/24", "dev", "mesh")
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", name, "link", "set", "mesh", "up")
            run(*self.inside(name), "nft", "-f", "-", stdin=CUT_RULES)

    def more_clients(self, count):
        """Gives clients more addresses, for they are many and come from everywhere; the addresses."""
        addresses = [f"{PREFIX}.{number}" for number in range(CLIENTS_FIRST, CLIENTS_FIRST + count)]
        for address in addresses:
            run("ip", "address", "add", f"{address}/32", "dev", "mesh")
        return addresses

    def keep_little(self, kilobytes):
        """The kernel keeps so much at most of what is on its way from a node to a client that does not read it, as on long ways: the rest waits at the node."""
        sizes = f"4096 16384 {kilobytes * 1024}"
        run("sh", "-c", f"echo {sizes} > /proc/sys/net/ipv4/tcp_rmem")
        for name in self.addresses:
            run(*self.inside(name), "sh", "-c", f"echo {sizes} > /proc/sys/net/ipv4/tcp_wmem")

    def link(self, name):
        """Makes the device `mesh` in a namespace, and its other end on the bridge, `to-` and the name."""
        run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "mesh", "netns", name)
        run("ip", "link", "set", f"to-{name}", "master", "mesh", "up")

    def remove(self):
        for name in self.addresses:
            # The kernel would take the link away with the namespace, but some time later.
            run("ip", "link", "delete", f"to-{name}")
            run("ip", "netns", "delete", name)
        run("ip", "link", "delete", "mesh")

    @staticmethod
    def inside(name):
        """What to put before a command so that it runs in a node's namespace."""
        return ("nsenter", f"--net=/run/netns/{name}")

    def cut_off(self, name, *others):
        """Drops all traffic between a node and these others, all when none is named, both ways."""
        others = others or [other for other in self.addresses if other != name]
        addresses = ", ".join(self.addresses[other] for other in others)
        run(*self.inside(name), "nft", "add", "element", "inet", "cut", "peers", f"{{ {addresses} }}")

    def deafen(self, name, *others):
        """A node hears nothing of these others any more; they hear it."""
        addresses = ", ".join(self.addresses[other] for other in others)
        run(*self.inside(name), "nft", "add", "element", "inet", "cut", "unheard", f"{{ {addresses} }}")

    def lose(self, name, percent):
        """So many of a hundred packets from other nodes are lost before a node."""
        run(*self.inside(name), "nft", "-f", "-", stdin=LOSS_RULES % percent)

    def thin(self, name, kilobits):
        """What goes to a node and comes from it has so many kilobits a second each way, clients too."""
        shaped = ("root", "tbf", "rate", f"{kilobits}kbit", "burst", "16kb", "latency", "200ms")
        run("tc", "qdisc", "replace", "dev", f"to-{name}", *shaped)
        run(*self.inside(name), "tc", "qdisc", "replace", "dev", "mesh", *shaped)

    def dials_only(self, name):
        """Lets only what answers to the node in, as a router at home does; clients are let in. """
        try:
            run(*self.inside(name), "nft", "-f", "-", stdin=ROUTER_RULES)
        except RuntimeError as problem:
            print(f"this kernel does not follow connections, so nothing but its missing address keeps {name} hidden: {problem}")

    def heal(self, name):
        for what in ("peers", "unheard"):
            run(*self.inside(name), "nft", "flush", "set", "inet", "cut", what)

    def drops(self, name):
        """Whether the namespace really drops what is sent to every other node: a closed port there stays silent."""
        others = [address for other, address in self.addresses.items() if other != name]
        return all(not self.answers(name, address) for address in others)

    def answers(self, name, address):
        """Whether an address answers from within a node's namespace, be it with a refusal."""
        probe = ("timeout", "0.5", "bash", "-c", f": < /dev/tcp/{address}/9")
        timed_out = 124
        return subprocess.run((*self.inside(name), *probe), capture_output=True, check=False).returncode != timed_out
