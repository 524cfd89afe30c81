"""Work in a thread that nobody has to wait for."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(function: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """What the function returns or raises. Cancelled, this ends at once; the thread goes on unseen, and unlike
    `asyncio.to_thread` it keeps no program from ending.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(put: Callable[[Any], None], value: object) -> None:
        if not done.done():
            put(value)

    def work() -> None:
        put: Callable[[Any], None]
        try:
            value: object = context.run(function, *arguments, **named)
            put = done.set_result
        except BaseException as error:
            value, put = error, done.set_exception
        try:
            loop.call_soon_threadsafe(settle, put, value)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    threading.Thread(target=work, name="tool", daemon=True).start()
    return await done
