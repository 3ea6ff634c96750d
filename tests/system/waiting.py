"""Waiting for conditions. Nothing here waits for a time to pass; deadlines only end what would never come."""

import asyncio
import time

# Longer than anything takes on a busy machine; a passing test never waits for it.
DEADLINE_SECONDS = 40.0

# How often a condition is asked that gives no sign when it changes (another process, a socket that does not listen yet).
POLL_SECONDS = 0.05


class Watched:
    """Something that changes by events of the loop: `until` asks a condition after each `changed`."""

    def __init__(self):
        self._waiters = set()

    def changed(self):
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, condition, what, seconds=DEADLINE_SECONDS):
        """The first true value of `condition()`; `what` may be a function, asked when it did not come."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await asyncio.wait_for(waiter, deadline - time.monotonic())
            except asyncio.TimeoutError:
                said = what() if callable(what) else what
                raise AssertionError(f"{self}: not within {seconds} s: {said}") from None
        return value


async def eventually(attempt, what, seconds=DEADLINE_SECONDS):
    """The first true value that the coroutine function `attempt` gives; `None`, `False` and ConnectionError ask again."""
    deadline = time.monotonic() + seconds
    problem = "the condition stayed false"
    while (left := deadline - time.monotonic()) > 0:
        try:
            if value := await asyncio.wait_for(attempt(), left):
                return value
        except asyncio.TimeoutError:
            problem = "the last attempt did not end"
        except ConnectionError as error:
            problem = error
        await asyncio.sleep(POLL_SECONDS)
    said = what() if callable(what) else what
    raise AssertionError(f"not within {seconds} s: {said} ({problem})")
