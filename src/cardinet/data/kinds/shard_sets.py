"""Tar shards at their places: local files, or files of web servers that are kept in the cache folder."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from cardinet.base.cache import cache_folder
from cardinet.base.errors import CardinetError, Findings, RequestError
from cardinet.base.side_work import counted
from cardinet.data.kept_shards import KeptShards, check_limit
from cardinet.data.kinds.shard_places import is_address
from cardinet.data.shards import LocalShards, ShardFiles
from cardinet.remote.files import RemoteFile, fetch, look_at

AT_ONCE = 8
"""The requests to a web server at a time."""


@dataclass(frozen=True)
class ShardSet:
    """The shards of a source: names below their common folder, bytes, and a text that names the version of each.

    `local` are their paths; None if they are on web servers. `root` is the common folder or address.
    """

    root: str
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    identities: tuple[str, ...]
    files: ShardFiles
    local: tuple[Path, ...] | None

    def beside(self, name: str) -> Path:
        """A file beside the shards, by its path seen from their common folder; from a web server it is fetched."""
        if self.local is not None or os.path.isabs(os.path.expanduser(name)):
            return Path(self.root, os.path.expanduser(name))
        file = look_at(urljoin(f"{self.root}/", name))
        target = cache_folder("shard-index") / f"{_key(_identity(file))}-{posixpath.basename(name)}"
        if not target.exists():
            fetch(file, target)
        return target


class WebShards(KeptShards):
    """Shards of web servers."""

    def __init__(self, remote: Sequence[RemoteFile], limit: int) -> None:
        super().__init__([f"{_key(_identity(file))}.tar" for file in remote], [file.size for file in remote], limit)
        self.remote = tuple(remote)

    def make(self, number: int, target: Path) -> None:
        fetch(self.remote[number], target)


def open_shards(places: Sequence[str], together: int, cache: float) -> ShardSet:
    """The shards at paths, or at addresses. Of a web server at most `cache` GiB are kept, at least `together` shards.

    Raises RequestError for paths mixed with addresses and for a cache that is too small, WorkError for servers that do
    not answer.
    """
    addresses = [place for place in places if is_address(place)]
    if addresses and len(addresses) < len(places):
        raise RequestError("A source has its shards in files or on web servers, and not in both; name one of them.")
    if addresses:
        return _on_servers(addresses, together, cache)
    paths = [Path(os.path.abspath(place)) for place in places]
    root = os.path.commonpath([path.parent for path in paths])
    states = [os.stat(path) for path in paths]
    return ShardSet(
        root=root,
        names=tuple(os.path.relpath(path, root).replace(os.sep, "/") for path in paths),
        sizes=tuple(state.st_size for state in states),
        identities=tuple(f"{path}\n{s.st_size}\n{s.st_mtime_ns}" for path, s in zip(paths, states, strict=True)),
        files=LocalShards(tuple(paths)),
        local=tuple(paths),
    )


def _on_servers(addresses: Sequence[str], together: int, cache: float) -> ShardSet:
    remote = _looked_at(addresses)
    limit = check_limit(cache, [file.size for file in remote], together)
    root = posixpath.commonpath([posixpath.dirname(address.partition("?")[0]) for address in addresses])
    root = root.replace(":/", "://", 1) if "://" not in root else root
    return ShardSet(
        root=root,
        names=tuple(address.removeprefix(root).lstrip("/") for address in addresses),
        sizes=tuple(file.size for file in remote),
        identities=tuple(_identity(file) for file in remote),
        files=WebShards(remote, limit),
        local=None,
    )


def _looked_at(addresses: Sequence[str]) -> list[RemoteFile]:
    """What the servers say of the shards. Raises WorkError with the first that do not answer."""

    def ask(address: str) -> RemoteFile | CardinetError:
        try:
            return look_at(address)
        except CardinetError as error:
            return error

    findings, found = Findings(), list[RemoteFile]()
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for answer in counted("looking at shards", pool.map(ask, addresses), len(addresses)):
            with findings:
                if isinstance(answer, CardinetError):
                    raise answer
                found.append(answer)
            if len(findings.errors) > AT_ONCE:
                break
    finally:
        pool.shutdown(cancel_futures=True)
    findings.raise_if_any()
    return found


def _identity(file: RemoteFile) -> str:
    return f"{file.url}\n{file.size}\n{file.version}"


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
