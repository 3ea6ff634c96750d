"""A network like that of people who run nodes at home: one node that all can dial, and others behind a router each.

Run inside a private network namespace (tests/system/run makes one). A router gives all that leaves its home its own address and lets in
only answers; it is the kernel's masquerading, as in most routers that people have.
"""

from .network import Network, run

# What comes uninvited is dropped before it is noted as a connection, which would take the port from who is about to use it.
ROUTER_RULES = """
table ip home {
  chain incoming { type filter hook input priority 0; iif "world" ct state new drop; }
  chain passing { type filter hook forward priority 0; iif "world" ct state new drop; }
  chain leaving { type nat hook postrouting priority 100; oif "world" masquerade; }
}
"""


class Homes:
    """`hub` stands in the open at 10.77.0.1; each of `names` behind a router of its own."""

    def __init__(self, hub, names):
        self.world = Network([hub, *(f"router-{name}" for name in names)])
        self.addresses = {hub: self.world.addresses[hub]}
        self.homes = list(names)
        for number, name in enumerate(names, 1):
            router, home = f"router-{name}", f"192.168.{number}"
            inside = Network.inside(router)
            run("ip", "-n", router, "link", "set", "mesh", "down")
            run("ip", "-n", router, "link", "set", "mesh", "name", "world", "up")
            run("ip", "netns", "add", name)
            run("ip", "-n", router, "link", "add", "home", "type", "veth", "peer", "name", "mesh", "netns", name)
            run("ip", "-n", router, "address", "add", f"{home}.1/24", "dev", "home")
            run("ip", "-n", router, "link", "set", "home", "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", name, "address", "add", f"{home}.2/24", "dev", "mesh")
            run("ip", "-n", name, "link", "set", "mesh", "up")
            run("ip", "-n", name, "route", "add", "default", "via", f"{home}.1")
            run(*inside, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
            run(*inside, "nft", "-f", "-", stdin=ROUTER_RULES)
            # The clients of a home are in it: they reach its node by a way of their own, which no other node has.
            run("ip", "link", "add", f"in-{name}", "type", "veth", "peer", "name", "clients", "netns", name)
            run("ip", "address", "add", f"10.78.{number}.254/24", "dev", f"in-{name}")
            run("ip", "link", "set", f"in-{name}", "up")
            run("ip", "-n", name, "address", "add", f"10.78.{number}.1/24", "dev", "clients")
            run("ip", "-n", name, "link", "set", "clients", "up")
            # The node speaks from there too.
            run("ip", "-n", router, "route", "add", f"10.78.{number}.0/24", "via", f"{home}.2")
            self.addresses[name] = f"10.78.{number}.1"

    inside = staticmethod(Network.inside)

    def remove(self):
        for name in self.homes:
            run("ip", "link", "delete", f"in-{name}")
            run("ip", "netns", "delete", name)
        self.world.remove()
