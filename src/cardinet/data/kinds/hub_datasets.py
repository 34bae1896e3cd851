"""Data sets of the Hugging Face Hub, by their parquet files."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.extras import quiet
from cardinet.data.kinds.parquet import list_parquet, parquet_pictures
from cardinet.data.kinds.split_names import split_of, split_of_file
from cardinet.data.parquet_pictures import ParquetPictures
from cardinet.data.source_listing import Listing
from cardinet.remote.hub_client import CLIENT, client, hub_address, hub_errors, no_download
from cardinet.remote.reachability import short_reason

CONVERTED = "refs/convert/parquet"
"""The branch on which the Hub keeps parquet files of data sets that are stored in another form."""

_NAME = re.compile(r"(?P<repo>[\w.-]+(/[\w.-]+)?)(@(?P<revision>[^/]+))?(/(?P<part>[^/]+))?", re.ASCII)
_SHARD = re.compile(r"(?P<name>.+)-(?P<number>\d+)-of-(?P<count>\d+)\.parquet")


def list_hub(
    name: str,
    *,
    picture_column: str | None = None,
    label_column: str | None = None,
    labels: str = "one",
    shuffle_shards: int = 16,
    shard_cache: float = 32.0,
) -> Listing:
    """The parquet files of the data set `OWNER/NAME[@REVISION][/PART]`, downloaded once into the Hub's cache.

    They are those of the repository, else those into which the Hub has converted it. PART is one of the configurations
    of a repository that has several, each a folder. Without a connection the cache is used. Raises RequestError for a
    name, revision or part that does not exist, WorkError if the download fails, and both as `list_parquet`.
    """
    return list_parquet(
        _place(name),
        picture_column=picture_column,
        label_column=label_column,
        labels=labels,
        shuffle_shards=shuffle_shards,
        shard_cache=shard_cache,
    )


def pictures_on_hub(name: str, picture_column: str | None = None) -> dict[str, ParquetPictures]:
    """The pictures of a data set of the Hub by split, for a prediction; they need no labels. Raises as `list_hub`."""
    return parquet_pictures(_place(name), picture_column)


def _place(name: str) -> str:
    """The local folder with the parquet files of a data set. Raises as `list_hub`."""
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise RequestError(f'"hf:{name}": write it as hf:OWNER/NAME, with @REVISION and /PART where you need them.')
    source, repo, revision, part = f"hf:{name}", parts["repo"], parts["revision"], parts["part"]
    library = client(f'"{source}"')
    branches = (revision,) if revision else (None, CONVERTED)
    with quiet(CLIENT):
        server, offline = hub_address(library)
        if offline:
            why = f"{server} cannot be reached: {offline}"
            folder, files = _cached(library, source, repo, branches, part, why)
        else:
            folder, files = _fetched(library, source, repo, branches, part)
    return str(folder / _part_of(files, part, source))


def _fetched(
    library: Any, source: str, repo: str, branches: Iterable[str | None], part: str | None
) -> tuple[Path, list[str]]:
    """The local copy of a repository and the needed parquet files in it, by their paths there."""
    errors: Any = importlib.import_module("huggingface_hub.errors")
    for branch in branches:
        try:
            with hub_errors(source, repo, branch):
                about = library.HfApi().dataset_info(repo, revision=branch)
                files = _parquet(sibling.rfilename for sibling in about.siblings)
                if files:
                    chosen = _part_of(files, part, source)
                    wanted = [file for file in files if PurePosixPath(file).is_relative_to(chosen)]
                    options = {"repo_type": "dataset", "revision": branch, "allow_patterns": wanted}
                    return Path(library.snapshot_download(repo, **options)), wanted
        except errors.EntryNotFoundError as error:
            raise no_download(source, short_reason(error)) from error
        except RequestError:
            if branch != CONVERTED:  # else nothing was converted
                raise
    raise RequestError(f"{repo} has no parquet files; download it and use class folders, csv:FILE or datasets:PATH.")


def _cached(
    library: Any, source: str, repo: str, branches: Iterable[str | None], part: str | None, why: str
) -> tuple[Path, list[str]]:
    """The local copy of a repository without a connection, and the parquet files in it. Raises WorkError."""
    errors: Any = importlib.import_module("huggingface_hub.errors")
    for branch in branches:
        try:
            with hub_errors(source, repo, branch):
                folder = Path(
                    library.snapshot_download(
                        repo,
                        repo_type="dataset",
                        revision=branch,
                        allow_patterns=[f"{part or ''}*.parquet"],
                        local_files_only=True,
                    )
                )
        except errors.EntryNotFoundError:
            continue
        if files := _parquet(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")):
            _check_whole(files, source, why)
            return folder, files
    raise no_download(source, f"{why}; its files are not all in the local cache")


def _parquet(files: Iterable[str]) -> list[str]:
    return sorted(file for file in files if file.endswith(".parquet") and not file.startswith("."))


def _part_of(files: list[str], part: str | None, source: str) -> str:
    """The folder of the files to read, "." for all. Raises RequestError if one must be chosen or does not exist."""
    tops = {PurePosixPath(file).parts[0] for file in files if "/" in file}
    folders = sorted(top for top in tops if top != "data" and split_of(top) is None)
    if part is not None:
        if part not in folders:
            raise RequestError(f"{source} has no part {part} (known: {', '.join(folders) or 'none; omit it'}).")
        return part
    loose = [file for file in files if PurePosixPath(file).parts[0] not in folders]
    if len(folders) > 1 and not any(split_of_file(PurePosixPath(file).name) for file in loose):
        raise RequestError(f"{source} has the parts {', '.join(folders)}; choose one: {source}/{folders[0]}.")
    return folders[0] if len(folders) == 1 and not loose else "."


def _check_whole(files: list[str], source: str, why: str) -> None:
    """Raise WorkError if the cache has only some of the files of a split."""
    shards = Counter(shard.group("name", "count") for shard in map(_SHARD.fullmatch, files) if shard)
    for (name, count), present in shards.items():
        if present != int(count):
            raise WorkError(
                f"{source} is only partly in the local cache ({present} of {int(count)} files of {name}), and {why}."
            )
