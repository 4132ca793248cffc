"""Where the files of a named data set come from: the user's data folder, or the set's source through the cache."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from limpid.core.cache import cache_folder
from limpid.core.errors import DataError

__all__ = ["download", "local_folder", "verify"]

_log = logging.getLogger(__name__)

#: Attempts after the first: enough for a dropped connection, few enough that being offline shows within seconds.
_RETRIES = 2


def local_folder(subfolder: str) -> Path | None:
    """Return the folder below ``LIMPID_DATA``; None where the variable or the folder isn't there."""
    root = os.environ.get("LIMPID_DATA")
    folder = Path(root).expanduser() / subfolder if root else None
    return folder if folder is not None and folder.is_dir() else None


def verify(root: Path, files: Mapping[str, str], *, name: str) -> None:
    """Check that the folder holds every file of the set, unchanged.

    Parameters
    ----------
    root : Path
        Folder of the set.
    files : mapping of str to str
        SHA-256 of each file, by its path below the folder. Other files are not looked at.
    name : str
        Id of the set, for messages.

    Raises
    ------
    DataError
        If a file is missing or its checksum is another.
    """
    missing = [file for file in files if not (root / file).is_file()]
    if missing:
        raise DataError(
            f"{root} holds {len(files) - len(missing)} of the {len(files)} files of {name}; missing: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}. Complete the folder, or rename it so that "
            "the set is downloaded.",
            source=str(root / missing[0]),
        )
    for file, expected in files.items():
        with (root / file).open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != expected:
            raise _mismatch(root / file, name)


def download(
    name: str, *, files: Mapping[str, str], names: Mapping[str, str], address: str | None, subfolder: str
) -> Path:
    """Return the cached folder of the set with every file in it, downloading those that aren't.

    Parameters
    ----------
    name : str
        Id of the set: the folder in the cache, and for messages.
    files : mapping of str to str
        SHA-256 of each file, by its path below the folder.
    names : mapping of str to str
        Names at the source of the files that are called otherwise there.
    address : str or None
        What the names are appended to; None where the set has no source to download from.
    subfolder : str
        Where the set is looked for below ``LIMPID_DATA``, for messages.

    Raises
    ------
    DataError
        If there is no address, it can't be reached, or a file's checksum is another.
    """
    by_hand = f"put the files into {subfolder} below a folder and set LIMPID_DATA to that folder"
    if address is None:
        raise DataError(
            f"{name} is not found below LIMPID_DATA ({os.environ.get('LIMPID_DATA', 'not set')}) and has no download "
            f"address; {by_hand}.",
            source=name,
        )
    if not address.startswith(("https://", "http://")):
        raise DataError(
            f"{address} is no web address to download {name} from; it must begin with https://.", source=name
        )
    import pooch  # needed for downloads only

    address = address.removesuffix("/") + "/"
    folder = cache_folder("datasets", name)
    pooch.get_logger().setLevel(logging.WARNING)  # it would announce every file on standard error
    fetcher = pooch.create(
        path=folder,
        base_url=address,
        registry={file: f"sha256:{digest}" for file, digest in files.items()},
        urls={file: address + other for file, other in names.items()},
        retry_if_failed=_RETRIES,
    )
    missing = sum(not (folder / file).is_file() for file in files)
    if missing:
        _log.info("downloading %d files of %s from %s to %s", missing, name, address, folder)
    for file in files:
        try:
            fetcher.fetch(file)
        except OSError as error:  # network errors among them
            raise DataError(
                f"{file} of {name} can't be downloaded from {address} ({_reason(error)}); offline, {by_hand}.",
                source=file,
            ) from error
        except ValueError as error:  # pooch's word on the checksum
            raise _mismatch(address + names.get(file, file), name) from error
    return folder


def _reason(error: OSError) -> str:
    """Return a few words; the network library's own message is a paragraph."""
    response = getattr(error, "response", None)
    return error.strerror or (type(error).__name__ if response is None else f"HTTP status {response.status_code}")


def _mismatch(where: Path | str, name: str) -> DataError:
    return DataError(
        f"{where} is not the file that {name} is made of: its SHA-256 differs from the registry's, so a score on it "
        "can't be compared. It is damaged or another version; fetch it again.",
        source=str(where),
    )
