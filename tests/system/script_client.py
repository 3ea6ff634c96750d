"""A client that runs in a process of Node: told what to do, and heard, by lines of JSON."""

import asyncio
import json
import os
from pathlib import Path

from .talk import Client

SCRIPTS = Path(__file__).parent / "js"


class ScriptClient(Client):
    """What the script says calls the function `on_` and the event's name."""

    def __init__(self, name):
        super().__init__(name)
        self.process = None

    async def run(self, script, *arguments, **environment):
        """Starts the script, as a client that has seen nothing yet."""
        self.process = await asyncio.create_subprocess_exec(
            "node", str(SCRIPTS / script), *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={**os.environ, **environment},
        )  # fmt: skip
        # Only here, since the process before may end meanwhile.
        self.reset()
        self.reader = asyncio.create_task(self.read(self.process))

    async def read(self, process):
        async for line in process.stdout:
            said = json.loads(line)
            getattr(self, f"on_{said.pop('event')}")(**said)
            self.changed()
        if process is self.process:
            self.disconnected("its process has ended")

    def do(self, what, **more):
        self.process.stdin.write(f"{json.dumps({'do': what, **more})}\n".encode())

    def close(self):
        self.lost = self.lost or "closed here"
        if self.process and self.process.returncode is None:
            self.process.kill()
