"""Tar shards, written by the library webdataset, and a web server that has faults."""

from __future__ import annotations

import http.server
import io
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import webdataset

from data.pictures import noise


@lru_cache(maxsize=512)
def picture(seed: int, width: int = 14, height: int = 12) -> bytes:
    """A small PNG."""
    content = io.BytesIO()
    noise(width, height, seed=seed).save(content, "PNG")
    return content.getvalue()


def write_shard(path: Path, samples: list[dict[str, Any]]) -> Path:
    """Write samples; the name of each is `__key__`, or its number in the shard."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with webdataset.TarWriter(str(path), encoder=False) as out:
        for number, sample in enumerate(samples):
            out.write({"__key__": f"{number:04d}", **sample})
    return path


def write_shards(root: Path, split: str = "train", shards: int = 3, samples: int = 8, classes: int = 2) -> Path:
    """Shards `SPLIT-000.tar`, ... with pictures of different sizes, so that they stay encoded; labels are numbers."""
    for shard in range(shards):
        numbers = range(shard * samples, (shard + 1) * samples)
        write_shard(
            root / f"{split}-{shard:03d}.tar",
            [{"png": picture(i, width=10 + i % 5), "cls": str(i % classes).encode()} for i in numbers],
        )
    return root


class Server:
    """The files of a folder. `faults` are what happens to the next GET requests of a name, in order:

    - "503": away, with or without a time to wait;
    - "stall": half of the content, and then nothing;
    - "cut": half of the content, and then the end of the connection;
    - "404".

    Without `ranges` it sends whole files only. `asked` counts the requests of each name, `sent` the bytes.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.ranges, self.head = root, True, True
        self.faults: dict[str, list[str]] = defaultdict(list)
        self.asked: dict[str, list[str]] = defaultdict(list)
        self.sent = 0
        self.address = ""
        self.let_go = threading.Event()

    def answer(self, handler: http.server.BaseHTTPRequestHandler, *, body: bool) -> None:
        name = handler.path.lstrip("/")
        path, part = self.root / name, handler.headers.get("Range", "")
        if body:
            self.asked[name].append(part)
        fault = self.faults[name].pop(0) if body and self.faults[name] else ""
        if not body and not self.head:
            handler.send_error(405)
            return
        if fault in ("503", "404") or not path.is_file():
            handler.send_response(503 if fault == "503" else 404)
            handler.send_header("Retry-After", "0")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        content, state = path.read_bytes(), path.stat()
        start = int(part.removeprefix("bytes=").rstrip("-")) if part and self.ranges else 0
        handler.send_response(206 if start else 200)
        handler.send_header("ETag", f'"{state.st_size}-{state.st_mtime_ns}"')
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        content = content[start:]
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if not body:
            return
        if fault:
            content = content[: len(content) // 2]
        self.sent += len(content)
        handler.wfile.write(content)
        handler.wfile.flush()
        if fault == "stall":
            self.let_go.wait(10.0)


@contextmanager
def served(root: Path) -> Iterator[Server]:
    """A server on the loopback address."""
    server = Server(root)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self, body=True)

        def do_HEAD(self) -> None:
            server.answer(self, body=False)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server.address = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.let_go.set()
            listening.shutdown()
            thread.join()


def waited(condition: Any, seconds: float = 5.0) -> bool:
    """Whether a condition becomes true in time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(condition())
