"""One HTTP service: pace, time-outs, retries and what its errors mean.

post(path, body) --pace--> httpx --> 2xx with JSON: the reply
                                 --> 408, 409, 425, 429, 5xx, broken connection, no JSON: again, with back-off
                                 --> any other status: EngineError with the server's own sentence
                                 --> retries used up: EngineLost
"""

import asyncio
import os
import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from pipeline.engines.engine import EngineConfig
from pipeline.errors import EngineError, EngineLost, RequestRefused

LOOPBACK = ("localhost", "127.0.0.1", "::1")
RETRIED = {408, 409, 425, 429}
ROWS_FAULT = (400, 413, 422)
"""Statuses that blame the request's content; the others (wrong key, no such model) would meet every request."""
FIRST_WAIT_S, LONGEST_WAIT_S, LONGEST_RETRY_AFTER_S = 0.5, 60.0, 600.0


class Service:
    """Connections are opened at the first call, in the event loop that calls; another loop gets its own."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.AsyncClient | None = None
        self._next_start = 0.0

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._call("POST", path, body)

    async def get(self, path: str) -> dict[str, Any]:
        return await self._call("GET", path, None)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()

    async def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        for attempt in range(self._config.max_retries + 1):
            await self._pace()
            wait_s = backoff_s(attempt)
            try:
                response = await self._open().request(method, path, json=body)
                if response.is_success:
                    return response.json()
                reason = f"{response.status_code} {message_of(response)}"
                if response.status_code < 500 and response.status_code not in RETRIED:
                    refusal = RequestRefused if response.status_code in ROWS_FAULT else EngineError
                    raise refusal(f"{self._config.base_url} refuses {path}: {reason}")
                wait_s = max(wait_s, retry_after_s(response))
            except httpx.TransportError as error:
                reason = f"{type(error).__name__} {error}".strip()
            except ValueError:
                reason = "the reply is not JSON"
            if attempt < self._config.max_retries:
                await asyncio.sleep(wait_s)
        raise EngineLost(f"{self._config.base_url} gave no answer in {attempt + 1} attempts, last: {reason}")

    async def _pace(self) -> None:
        """Spreads the starts evenly: one each 60 / requests_per_minute seconds."""
        if self._config.requests_per_minute:
            now = time.monotonic()
            start = max(now, self._next_start)
            self._next_start = start + 60 / self._config.requests_per_minute
            await asyncio.sleep(start - now)

    def _open(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._client is None or loop is not self._loop:
            self._loop, self._client = loop, open_client(self._config, self._config.timeout_s)
        return self._client


def open_client(config: EngineConfig, timeout_s: float) -> httpx.AsyncClient:
    """A server on this machine is never asked through a proxy."""
    key = os.environ.get(config.api_key_env) if config.api_key_env else None
    return httpx.AsyncClient(
        base_url=config.base_url.rstrip("/") + "/",
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 30)),
        limits=httpx.Limits(max_connections=config.max_in_flight, max_keepalive_connections=config.max_in_flight),
        trust_env=urlsplit(config.base_url).hostname not in LOOPBACK,
    )


def backoff_s(attempt: int) -> float:
    """Exponential with full jitter, so that many callers do not come back at once."""
    return random.uniform(0.5, 1.0) * min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)


def retry_after_s(response: httpx.Response) -> float:
    """The header in seconds, given as a number or as a date; 0 without one."""
    value = response.headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            seconds = 0.0
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)


def message_of(response: httpx.Response) -> str:
    """The server's own sentence, at most 300 characters."""
    try:
        reply = response.json()
    except ValueError:
        return response.text[:300]
    error = reply.get("error", reply) if isinstance(reply, dict) else reply
    return str(error.get("message", error) if isinstance(error, dict) else error)[:300]
