"""Part `async` of the Python driver: cells that await."""

import asyncio

driver = globals().get("driver")


def run(coroutine):
    """One event loop for all cells, so that what one cell made another can await."""
    if driver.loop is None or driver.loop.is_closed():
        driver.loop = asyncio.new_event_loop()
    task = driver.loop.create_task(coroutine)
    try:
        driver.loop.run_until_complete(task)
    except KeyboardInterrupt:
        task.cancel()
        try:
            driver.loop.run_until_complete(task)
        except BaseException:
            pass
        raise KeyboardInterrupt from None
