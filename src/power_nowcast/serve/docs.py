"""The documentation page: made from the OpenAPI description, with nothing fetched from elsewhere."""

import json
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: .875rem/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8886; border-radius: .4rem; }
section { border-top: 1px solid #8886; margin-top: 1.5rem; padding-top: .5rem; }
.method { font-weight: 700; }
table { border-collapse: collapse; } td { padding: .15rem 1rem .15rem 0; vertical-align: top; }
"""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


def page(description: dict[str, Any]) -> str:
    """One HTML page of an OpenAPI description: every path with its parameters and an example."""
    title = escape(description["info"]["title"])
    parts = [_operation(path, method, operation, description) for path, method, operation in _operations(description)]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{title}</title><style>{STYLE}</style><h1>{title}</h1>"
        f"<p>{escape(description['info'].get('description', ''))}</p>"
        "<p>Machine-readable: <a href=openapi.json>openapi.json</a>. Errors are RFC 9457 problems.</p>"
        f"{''.join(parts)}</html>"
    )


def _operations(description: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method.upper(), operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]


def _operation(path: str, method: str, operation: dict[str, Any], description: dict[str, Any]) -> str:
    parts = [
        f"<section><h2><span class=method>{method}</span> <code>{escape(path)}</code></h2>",
        f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>",
    ]
    if parameters := operation.get("parameters"):
        rows = "".join(
            f"<tr><td><code>{escape(one['name'])}</code><td>{escape(one['in'])}<td>{escape(one.get('description', ''))}"
            for one in parameters
        )
        parts.append(f"<table>{rows}</table>")
    if body := operation.get("requestBody"):
        schema = body["content"]["application/json"]["schema"]
        found = description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        parts.append(f"<p>{escape(found.get('description', ''))}</p>")
        parts += [f"<pre>{escape(json.dumps(example, indent=1))}</pre>" for example in found.get("examples", [])]
    return "".join(parts) + "</section>"
