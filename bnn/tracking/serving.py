"""Whether a W&B server answers, asked in bounded time."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request


def why_not_serving(url: str, attempts: int = 3, timeout: float = 2.0) -> str | None:
    """Returns why no W&B server works at `url`, or None if one does or it cannot be told.

    One small GraphQL query is posted, without a key. Any answer but a server error (5xx) is one;
    doubts about certificates are left to wandb, which has settings of its own for them. The
    proxies of the environment are used.

    Args:
        url: The base URL of the server.
        attempts: How often a query that failed is made; a second apart.
        timeout: The longest wait for each answer, in seconds.
    """
    reason = None
    for attempt in range(attempts):
        if attempt:
            time.sleep(1.0)
        reason = _failure(url, timeout)
        if reason is None:
            return None
    return reason


def _failure(url: str, timeout: float) -> str | None:
    try:
        request = urllib.request.Request(
            f"{url.rstrip('/')}/graphql",
            data=json.dumps({"query": "query Probe { __typename }"}).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=timeout):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"{url} answers {error.code}" if error.code >= 500 else None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLError):
            return None
        return f"{url}: {error.reason}"
    except TimeoutError:
        return f"{url} did not answer within {timeout:g} s"
    except (OSError, ValueError, http.client.HTTPException) as error:  # no HTTP, or no URL
        return f"{url}: {error}"
