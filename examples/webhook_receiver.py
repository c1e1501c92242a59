"""An ASGI application that receives Oura's events at /oura/ and fetches the documents they name.

Needs OURA_CLIENT_SECRET (it signs the events), RINGLET_VERIFICATION_TOKEN (any long random text, the same for
`ringlet webhooks create`) and OURA_ACCESS_TOKEN. With the same variables in another terminal:

    ringlet webhooks create --callback http://localhost:8000/oura/ --type sleep
    ringlet trigger sleep.update --override efficiency=61
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from ringlet import AsyncClient
from ringlet.errors import DocumentNotFound
from ringlet.webhooks import Event, receiver


async def handle(event: Event) -> None:
    """Called after the event is stored, and again if this raises: events may come twice."""
    kind = event.kind
    if kind is None or event.event_type == "delete":
        print(event.event_type, event.data_type, event.object_id, flush=True)
        return
    # An event says only that something changed. The document says what it is now.
    async with AsyncClient() as client:
        try:
            body = await client.run(kind.raw_document(event.object_id))
        except DocumentNotFound:
            print("deleted meanwhile:", event.object_id, flush=True)
        else:
            print(event.event_type, event.data_type, body.decode(), flush=True)


hook = receiver(
    os.environ["OURA_CLIENT_SECRET"],
    os.environ["RINGLET_VERIFICATION_TOKEN"],
    inbox="inbox.db",
    handler=handle,
)


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncGenerator[None]:
    async with hook:  # hands out at once what an earlier process left in the inbox
        yield


app = Starlette(routes=[Mount("/oura", hook)], lifespan=lifespan)

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")), log_level="warning")
