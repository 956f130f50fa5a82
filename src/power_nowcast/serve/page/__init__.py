"""The page: a few static files without a build step. Everything that they show comes from the API."""

import hashlib
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

HOME = Path(__file__).parent
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Asset:
    """A file of the page."""

    body: bytes
    media_type: str
    etag: str


def read(folder: Path) -> tuple[dict[str, Asset], str]:
    """The files of a page by name, and the version that they have together."""
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in TYPES}
    version = hashlib.sha256(b"\0".join(part for item in files.items() for part in (item[0].encode(), item[1])))
    told = version.hexdigest()[:12]
    assets = {}
    for name, content in files.items():
        # The page knows its own version, and opens itself anew where the service has another.
        body = content.replace(b"{version}", told.encode()) if name.endswith(".html") else content
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        assets[name] = Asset(body, f"{TYPES[Path(name).suffix]}; charset=utf-8", etag)
    return assets, told


def front(index: Asset, region: str) -> Asset:
    """The first file of the page for a region: it names the region, so that a browser asks for the view at once."""
    name = escape(quote(region, safe=""))
    return Asset(index.body.replace(b"{region}", name.encode()), index.media_type, f'{index.etag[:-1]}-{name}"')


ASSETS, VERSION = read(HOME)
