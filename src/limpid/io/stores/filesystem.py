"""Access to stores by fsspec: S3 and what speaks its language, Google Cloud, Azure, HTTP, SSH, ..."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from limpid.core.errors import MissingExtraError, OptionError

__all__ = ["Info", "filesystem", "version_of"]

#: What fsspec says of a file.
Info = Mapping[str, Any]

#: What stores call that which changes with the content, the surest first.
_VERSIONS: Final = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "LastModified",
    "last_modified",
    "updated",
    "mtime",
    "created",
)


@lru_cache
def filesystem(scheme: str) -> Any:
    """Return fsspec's access to a kind of store; listings are not remembered, since what is stored changes.

    Raises
    ------
    MissingExtraError
        If the package for the store is not installed.
    OptionError
        If there is no such kind of store.
    """
    try:
        import fsspec

        return fsspec.filesystem(scheme, use_listings_cache=False)
    except ModuleNotFoundError as error:
        raise MissingExtraError.of("fsspec", extra="s3", purpose=f"access to {scheme}://") from error
    except ImportError as error:
        if scheme in ("s3", "s3a"):
            raise MissingExtraError.of("s3fs", extra="s3", purpose=f"access to {scheme}://") from error
        raise MissingExtraError(f"access to {scheme}:// needs a package: {error}; install it with pip.") from error
    except ValueError as error:
        raise OptionError(f"no store of kind {scheme}:// is known to fsspec ({error}); check the address.") from error


def version_of(info: Info) -> str | None:
    """Return what changes with a file's content; None where its store says nothing of the kind."""
    value = next((info[key] for key in _VERSIONS if info.get(key) is not None), None)
    return None if value is None else str(value.timestamp() if isinstance(value, dt.datetime) else value)
