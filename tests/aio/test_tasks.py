import asyncio

from interpreter.aio.tasks import Tasks


def test_a_task_that_has_just_ended_is_not_waited_for_without_an_end() -> None:
    async def story() -> None:
        tasks, ending = Tasks(), asyncio.Event()

        async def last_words() -> None:
            ending.set()

        task = tasks.start(last_words())
        await ending.wait()
        assert task.done(), "it has ended, and those who are told of its end have not been told yet"
        await tasks.drain()

    asyncio.run(story())


def test_draining_waits_for_what_is_started_meanwhile() -> None:
    async def story() -> list[str]:
        tasks, ended = Tasks(), list[str]()

        async def second() -> None:
            await asyncio.sleep(0.01)
            ended.append("second")

        async def first() -> None:
            await asyncio.sleep(0.01)
            tasks.start(second())
            ended.append("first")

        tasks.start(first())
        await tasks.drain()
        return ended

    assert asyncio.run(story()) == ["first", "second"]
