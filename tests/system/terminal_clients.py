"""irssi and WeeChat as people run them: programs of their own, told what to do by their own commands and read by the logs they keep."""

import asyncio
import os
import pty
import re
import subprocess
import tempfile
from pathlib import Path

from .talk import ROOM
from .waiting import eventually

CHANNEL = f"#{ROOM}"


class TerminalClient:
    """A client in the room of which only what it shows is known: who said what, in that order."""

    def __init__(self, nick, others=()):
        """`others` are the nodes that it goes to when the one is gone that it was given first."""
        self.nick = nick
        self.others = others
        self.home = Path(tempfile.mkdtemp(prefix="lavina-test-"))
        self.process = None

    def __repr__(self):
        return f"{type(self).__name__}:{self.nick}"

    async def attempt(self, node, password):
        """Starts it, to connect to a node with TLS, log in and join the room by itself; true once it is there."""
        if not self.process:
            self.start(node, password)
        if self.process.poll() is not None:
            raise AssertionError(f"{self} ended by itself: {self.shown()}")
        return self.joined()

    def lines(self):
        """(nick, text) of all that was said, as its log has it."""
        return [match.groups() for match in re.finditer(self.SAID, self.log(), re.MULTILINE)]

    def log(self):
        files = [path for path in self.home.rglob("*") if path.is_file() and re.search(self.LOG, path.name)]
        return "\n".join(path.read_text(errors="replace") for path in files)

    async def sees(self, said):
        """Waits until it shows all of these."""

        async def attempt():
            return set(said) <= set(self.lines())

        await eventually(attempt, lambda: f"{self} does not show {set(said) - set(self.lines())}: {self.shown()}")

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Irssi(TerminalClient):
    """irssi in a terminal of its own; what it is told is typed."""

    LOG = r"\.log$"
    SAID = r"^\d\d:\d\d <[ @%+~&]?([^>]+)> (.*)$"

    def start(self, node, password):
        (self.home / "config").write_text(f"""
servers = ({{ address = "{node.address}"; chatnet = "mesh"; port = "6697"; use_tls = "yes"; tls_verify = "no"; autoconnect = "yes"; }});
chatnets = {{ mesh = {{ type = "IRC"; nick = "{self.nick}"; username = "{self.nick}"; sasl_mechanism = "PLAIN";
  sasl_username = "{self.nick}"; sasl_password = "{password}"; }}; }};
channels = ({{ name = "{CHANNEL}"; chatnet = "mesh"; autojoin = "yes"; }});
settings = {{
  core = {{ real_name = "{self.nick}"; user_name = "{self.nick}"; nick = "{self.nick}"; }};
  "fe-common/core" = {{ autolog = "yes"; autolog_path = "{self.home}/$0.log"; }};
}};
""")
        self.terminal, inner = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "HOME": str(self.home)}
        command = ["setpriv", "--pdeathsig", "KILL", "irssi", f"--home={self.home}"]
        self.process = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env=environment)
        os.close(inner)
        os.set_blocking(self.terminal, False)
        self.screen = b""

    def shown(self):
        try:
            while piece := os.read(self.terminal, 65536):
                self.screen += piece
        except (BlockingIOError, OSError):
            pass
        return self.screen[-2000:].decode(errors="replace")

    def joined(self):
        self.shown()
        return f"{self.nick} [" in self.log()

    async def say(self, text):
        os.write(self.terminal, f"/msg {CHANNEL} {text}\n".encode())
        await self.sees([(self.nick, text)])
        return self.nick, text

    def close(self):
        super().close()
        if self.process:
            os.close(self.terminal)


class WeeChat(TerminalClient):
    """WeeChat without a screen; what it is told comes by its pipe."""

    LOG = r"weechatlog$"
    SAID = r"^[^\t]+\t[ @%+~&]?([\w-]+)\t(.*)$"

    def start(self, node, password):
        server = "irc.server.mesh"
        commands = [
            f"/server add mesh {','.join(f'{each.address}/6697' for each in (node, *self.others))}",
            # Seconds until it looks for another one.
            f"/set {server}.autoreconnect_delay 1",
            f"/set {server}.ssl on",
            f"/set {server}.tls on",
            f"/set {server}.ssl_verify off",
            f"/set {server}.tls_verify off",
            f"/set {server}.nicks {self.nick}",
            f"/set {server}.username {self.nick}",
            f"/set {server}.sasl_username {self.nick}",
            f"/set {server}.sasl_password {password}",
            f"/set {server}.autojoin {CHANNEL}",
            "/set logger.file.flush_delay 0",
            "/set logger.file.auto_log on",
            "/connect mesh",
        ]
        environment = {**os.environ, "HOME": str(self.home)}
        command = ["setpriv", "--pdeathsig", "KILL", "weechat-headless", "--dir", str(self.home)]
        for line in commands:
            command += ["--run-command", line]
        with (self.home / "output").open("wb") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)

    def shown(self):
        return self.log()[-2000:] + (self.home / "output").read_text(errors="replace")[-1000:]

    def joined(self):
        return f"{self.nick} (" in self.log() and CHANNEL in self.log()

    async def say(self, text):
        pipe = next(self.home.glob("weechat_fifo*"))
        await asyncio.to_thread(pipe.write_text, f"irc.mesh.{CHANNEL} *{text}\n")
        await self.sees([(self.nick, text)])
        return self.nick, text
