"""Downloads of TensorFlow Datasets (TFDS) that fail within seconds where there is no network."""

import contextlib
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

_CONNECT_SECONDS = 5.0
_PROXY_SECONDS = 20.0  # a proxy answers for a host that it has to find first
_PORTS = {"http": 80, "https": 443, "ftp": 21}
_NO_WAY = (407, 502, 503, 504)
"""What a proxy answers where it lets nobody through, or does not find the host."""


@contextlib.contextmanager
def fail_fast() -> Iterator[None]:
    """Lets every download of TFDS fail at once if its host cannot be reached.

    TFDS alone tries for three and a half minutes. It is asked when a file is about to be downloaded, so files that are
    there already need no network, whatever a data set lists.
    """
    from tensorflow_datasets.core.download import downloader

    original, known = downloader._open_url, {}

    def open_url(url: str, **options: Any) -> Any:
        parts = urllib.parse.urlsplit(url)
        key = parts.scheme, parts.netloc
        if key not in known:
            known[key] = _problem(url)
        if known[key]:
            raise ConnectionError(known[key])
        return original(url, **options)

    downloader._open_url = open_url
    try:
        yield
    finally:
        downloader._open_url = original


def _problem(url: str) -> str:
    """Returns why the host of an address cannot be reached; "" where it can be, or nothing is certain."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname
    if host is None or parts.scheme not in _PORTS:
        return ""
    try:
        if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(parts.netloc):
            request = urllib.request.Request(url, method="HEAD")
            urllib.request.urlopen(request, timeout=_PROXY_SECONDS).close()
        else:
            socket.create_connection((host, parts.port or _PORTS[parts.scheme]), timeout=_CONNECT_SECONDS).close()
    except urllib.error.HTTPError as error:
        return f"{host}: the proxy says {error}" if error.code in _NO_WAY else ""
    except urllib.error.URLError as error:
        # Certificates are TFDS's own business: it may be told of others than Python is.
        return "" if isinstance(error.reason, ssl.SSLError) else f"{host}: {error.reason}"
    except OSError as error:
        return f"{host}: {error}"
    return ""
