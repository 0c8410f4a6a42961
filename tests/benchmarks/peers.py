"""What we are measured against, each as a process of its own.

    python peers.py floor PORT      a bare aiohttp handler: POST reads the body and answers 202, GET 200
    python peers.py obvious PORT    one redis-py GET, one pooled INSERT, one arq enqueue_job per call
    python peers.py arq POLL_DELAY                  stock arq, max_jobs 10, the one-transaction job
    python peers.py fastapi PORT                    FastAPI that hands the same job to Celery
    python peers.py celery                          Celery, prefork, one process
    python peers.py saq | taskiq | procrastinate    these, ten jobs at a time, in the environment build/peers
    python peers.py fill saq|taskiq|procrastinate COUNT     give one of them so many jobs

DATABASE_URL and REDIS_URL name the servers. The job of all: BEGIN, INSERT of one zone, COMMIT.
"""

import asyncio
import os
import sys
import uuid
from typing import Any

DATABASE_URL = os.environ.get("DATABASE_URL", "")
REDIS_URL = os.environ.get("REDIS_URL", "")
INSERT = "INSERT INTO peer_zones (uuid, name, description) VALUES ({})"


def serve(app: Any, port: int) -> None:
    import uvloop
    from aiohttp import web

    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=loop)


def floor(port: int) -> None:
    from aiohttp import web

    async def post(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=202, body=b'{"location":"x"}', content_type="application/json")

    async def get(_: web.Request) -> web.Response:
        return web.Response(body=b"{}", content_type="application/json")

    app = web.Application()
    app.router.add_post("/{path:.*}", post)
    app.router.add_get("/{path:.*}", get)
    serve(app, port)


def obvious(port: int) -> None:
    import asyncpg
    from aiohttp import web
    from arq import create_pool
    from arq.connections import RedisSettings
    from redis.asyncio import Redis

    async def post(request: web.Request) -> web.Response:
        body = await request.json()
        if await request.app["redis"].get("session") is None:
            return web.Response(status=401)
        job = uuid.uuid4().hex
        await request.app["pool"].execute(
            "INSERT INTO peer_jobs (uuid, body) VALUES ($1, $2)", job, body["params"]["name"]
        )
        await request.app["arq"].enqueue_job("make_zone", body["params"]["name"])
        return web.json_response({"location": f"/api-jobs/{job}"}, status=202)

    async def start(app: web.Application) -> None:
        app["redis"] = Redis.from_url(REDIS_URL)
        await app["redis"].set("session", "admin")
        app["pool"] = await asyncpg.create_pool(DATABASE_URL)
        app["arq"] = await create_pool(RedisSettings.from_dsn(REDIS_URL), default_queue_name="peer:obvious")

    app = web.Application()
    app.on_startup.append(start)
    app.router.add_post("/{path:.*}", post)
    serve(app, port)


async def make_zone(ctx: dict[str, Any], name: str) -> None:
    async with ctx["pool"].acquire() as conn, conn.transaction():
        await conn.execute(INSERT.format("$1, $2, $3"), uuid.uuid4().hex, name, "made by arq")


def arq(poll_delay: float) -> None:
    import asyncpg
    from arq.connections import RedisSettings
    from arq.worker import Worker

    async def start(ctx: dict[str, Any]) -> None:
        ctx["pool"] = await asyncpg.create_pool(DATABASE_URL, min_size=10, max_size=10)

    asyncio.set_event_loop(asyncio.new_event_loop())
    Worker(
        [make_zone],
        redis_settings=RedisSettings.from_dsn(REDIS_URL),
        queue_name="peer:arq",
        on_startup=start,
        max_jobs=10,
        poll_delay=poll_delay,
        keep_result=0,
        job_completion_wait=0,
    ).run()


def celery_app() -> Any:
    import psycopg
    from celery import Celery

    app = Celery("peers", broker=REDIS_URL, set_as_current=False)
    app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=4)
    held: list[psycopg.Connection[Any]] = []

    @app.task(name="make_zone")
    def make(name: str) -> None:
        if not held:
            held.append(psycopg.connect(DATABASE_URL))
        with held[0].transaction():
            held[0].execute(INSERT.format("%s, %s, %s"), (uuid.uuid4().hex, name, "made by celery"))

    return app, make


def celery() -> None:
    app, _ = celery_app()
    app.worker_main(
        [
            "worker",
            "--pool=prefork",
            "--concurrency=1",
            "--loglevel=error",
            "--without-gossip",
            "--without-mingle",
        ]
    )


def saq_queue() -> Any:
    from saq import Queue  # pyright: ignore[reportMissingImports]

    return Queue.from_url(REDIS_URL, name="peer-saq")


def saq() -> None:
    import asyncpg
    from saq import Worker  # pyright: ignore[reportMissingImports]

    async def start(ctx: dict[str, Any]) -> None:
        ctx["pool"] = await asyncpg.create_pool(DATABASE_URL, min_size=10, max_size=10)

    worker = Worker(saq_queue(), functions=[("make_zone", make_zone)], concurrency=10, startup=start)
    asyncio.run(worker.start())


def taskiq_task() -> Any:
    from taskiq_redis import ListQueueBroker  # pyright: ignore[reportMissingImports]

    broker = ListQueueBroker(REDIS_URL, queue_name="peer:taskiq")
    held: dict[str, Any] = {}

    @broker.task(task_name="make_zone")
    async def make(name: str) -> None:
        await make_zone(held, name)

    return broker, make, held


async def taskiq() -> None:
    import asyncpg
    from taskiq.api import run_receiver_task  # pyright: ignore[reportMissingImports]

    broker, _, held = taskiq_task()
    held["pool"] = await asyncpg.create_pool(DATABASE_URL, min_size=10, max_size=10)
    broker.is_worker_process = True
    await broker.startup()
    await run_receiver_task(broker, max_async_tasks=10)


def procrastinate_task() -> Any:
    from procrastinate import App, PsycopgConnector  # pyright: ignore[reportMissingImports]

    app = App(connector=PsycopgConnector(conninfo=DATABASE_URL))
    held: dict[str, Any] = {}

    @app.task(name="make_zone")
    async def make(name: str) -> None:
        await make_zone(held, name)

    return app, make, held


async def procrastinate() -> None:
    import asyncpg

    app, _, held = procrastinate_task()
    held["pool"] = await asyncpg.create_pool(DATABASE_URL, min_size=10, max_size=10)
    async with app.open_async():
        await app.run_worker_async(concurrency=10, delete_jobs="successful")


async def fill(kind: str, count: int) -> None:
    names = [f"zone-{number}" for number in range(count)]
    if kind == "saq":
        queue = saq_queue()
        await queue.connect()
        for name in names:
            await queue.enqueue("make_zone", name=name)
        await queue.disconnect()
    elif kind == "taskiq":
        broker, make, _ = taskiq_task()
        await broker.startup()
        for name in names:
            await make.kiq(name)
        await broker.shutdown()
    else:
        app, make, _ = procrastinate_task()
        async with app.open_async():
            if not await app.check_connection_async():
                await app.schema_manager.apply_schema_async()
            await make.batch_defer_async(*({"name": name} for name in names))


def fastapi(port: int) -> None:
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    _, make = celery_app()

    class Params(BaseModel):
        name: str
        description: str = ""

    class Body(BaseModel):
        params: Params

    app = FastAPI()

    @app.post("/zstack/v1/zones", status_code=202)
    def post(body: Body) -> dict[str, str]:
        return {"location": make.delay(body.params.name).id}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["floor", port]:
            floor(int(port))
        case ["obvious", port]:
            obvious(int(port))
        case ["arq", delay]:
            arq(float(delay))
        case ["fastapi", port]:
            fastapi(int(port))
        case ["celery"]:
            celery()
        case ["saq"]:
            saq()
        case ["taskiq"]:
            asyncio.run(taskiq())
        case ["procrastinate"]:
            asyncio.run(procrastinate())
        case ["fill", kind, count]:
            asyncio.run(fill(kind, int(count)))
        case _:
            sys.exit(__doc__)
