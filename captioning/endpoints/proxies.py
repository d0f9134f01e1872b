"""Chooses the proxy for a URL from environment variables.

Comes in: a base URL, and http_proxy, https_proxy, all_proxy and no_proxy, in lower or upper case. Goes out: a
proxy's URL, or None. Requests to this machine never use a proxy. Not its job: sending.
"""

from __future__ import annotations

import contextlib
import fnmatch
import ipaddress
import re
import urllib.request
from urllib.parse import urlsplit

from triptych.errors import SetupError


def proxy_for(url: str) -> str | None:
    """The proxy for ``url``. Raises SetupError for a kind of proxy that isn't supported."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = urllib.request.getproxies_environment()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or is_loopback(host) or _is_bypassed(host, parts.netloc, proxies.get("no", "")):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    kind = urlsplit(proxy).scheme
    with contextlib.suppress(ValueError):
        if urlsplit(proxy).hostname and urlsplit(proxy).port != 0 and kind in ("http", "https"):
            return proxy
    if kind not in ("http", "https"):
        raise SetupError(
            f"the environment names a {kind} proxy for {url}, but Triptych supports http proxies only; set"
            f" {parts.scheme}_proxy to one, or no_proxy={host}"
        )
    raise SetupError(
        f"the environment names the proxy {without_login(proxy)} for {url}, which has no valid host and port;"
        f" set {parts.scheme}_proxy to http://HOST:PORT, or no_proxy={host}"
    )


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


def _is_bypassed(host: str, netloc: str, no_proxy: str) -> bool:
    """Whether a name, domain, pattern or network in ``no_proxy`` has the host, with or without its port."""
    for entry in re.split(r"[\s,]+", no_proxy.lower()):
        domain = entry.removeprefix("*").lstrip(".")
        names = (entry, domain, f"*.{domain}") if domain else (entry,)
        if any(fnmatch.fnmatchcase(each, name) for each in (host, netloc.lower()) for name in names):
            return True
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False):
                return True
    return False
