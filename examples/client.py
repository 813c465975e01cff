"""Keeps a session up to date with the client that comes with stigmer. Usage: ``python examples/client.py HOST:PORT``."""

from __future__ import annotations

import asyncio
import sys

from stigmer.client import ApiResourceMetadata, ApiResourceOwnerScope, InvalidArgument, Session, SessionClient, SessionSpec


async def main(address: str) -> None:
    """Applies a session twice, lists the agent's sessions and shows how a refusal looks."""
    metadata = ApiResourceMetadata(name="Plan the launch", org="acme", owner_scope=ApiResourceOwnerScope.organization)
    spec = SessionSpec(agent_instance_id="ain-planner", subject="What is left to do?")
    async with SessionClient(address) as client:
        created = await client.apply(Session(metadata=metadata, spec=spec))
        again = await client.apply(Session(metadata=metadata, spec=spec))
        print("unchanged:", again == created)

        async for session in client.sessions_by_agent("ain-planner"):
            print(session.metadata and session.metadata.slug)
        try:
            await client.create(Session(metadata=metadata, spec=SessionSpec()))
        except InvalidArgument as error:
            print(error)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
