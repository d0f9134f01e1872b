"""Chooses the proxy for a URL from environment variables.

Comes in: a base URL, and http_proxy, https_proxy, all_proxy and no_proxy, in lower or upper case. Goes out: a
proxy's URL, or None. Requests to this machine never use a proxy. Not its job: sending.
"""

from __future__ import annotations

import contextlib
import ipaddress
import urllib.request
from urllib.parse import urlsplit

from triptych.errors import SetupError


def proxy_for(url: str) -> str | None:
    """The proxy for ``url``. Raises SetupError for a kind of proxy that isn't supported."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = urllib.request.getproxies_environment()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or is_loopback(host) or _is_bypassed(host, parts.netloc, proxies):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    kind = urlsplit(proxy).scheme
    if kind not in ("http", "https"):
        raise SetupError(
            f"the environment names a {kind} proxy for {url}, but Triptych supports http proxies only; set"
            f" {parts.scheme}_proxy to one, or no_proxy={host}"
        )
    return proxy


def without_login(proxy: str) -> str:
    """A proxy's URL without user and password."""
    parts = urlsplit(proxy)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def is_loopback(host: str) -> bool:
    """Whether ``host`` is the name or address of this machine."""
    name = host.rstrip(".").lower()
    if name in ("localhost", "localhost.localdomain") or name.endswith(".localhost"):
        return True
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        address = getattr(address, "ipv4_mapped", None) or address
        return address.is_loopback or address.is_unspecified
    return False


def _is_bypassed(host: str, netloc: str, proxies: dict[str, str]) -> bool:
    if urllib.request.proxy_bypass(netloc):
        return True
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        for entry in proxies.get("no", "").split(","):
            with contextlib.suppress(ValueError):
                if address in ipaddress.ip_network(entry.strip().strip("[]"), strict=False):
                    return True
    return False
