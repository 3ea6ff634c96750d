"""What clients of every protocol have in common: what they saw, as (id, nick, text)."""

from collections import Counter
from dataclasses import dataclass

from .waiting import Watched

DOMAIN = "chat.example"
ROOM = "lounge"


@dataclass(frozen=True)
class Message:
    """A message of the room as a client saw it; the id is the same in every protocol."""

    id: str
    nick: str
    text: str


def heard(message):
    """What a client shows of a message that it has no id of."""
    return message.nick, message.text


class Client(Watched):
    """A client in the room. `live` is what it was told as it happened, its own messages too, in the order in which it came."""

    def __init__(self, name):
        super().__init__()
        self.name = name
        self.live = []
        self.lost = None

    def __repr__(self):
        return self.name

    def saw(self, message):
        self.live.append(message)
        self.changed()

    def disconnected(self, reason):
        self.lost = self.lost or reason or "closed by the server"
        self.changed()

    def ids(self):
        return [message.id for message in self.live]

    async def sees(self, messages):
        """Waits until it has been shown all of these."""
        wanted = {message.id for message in messages}

        def missing():
            lacking = wanted - set(self.ids())
            return f"{len(lacking)} of {len(wanted)} messages not shown, {[m.text for m in messages if m.id in lacking][:5]}"

        await self.until(lambda: self.lost or wanted <= set(self.ids()), missing)
        if self.lost:
            raise AssertionError(f"{self} was disconnected: {self.lost}")

    def twice(self):
        """Ids that it was shown more than once."""
        return [id for id, times in Counter(self.ids()).items() if times > 1]
