"""Where the weights of the Inception network are: a file of the user, or the cache, filled once from the network."""

import errno
import hashlib
import os
import tempfile
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

NAME = "inception-2015-12-05"
FILE = "pt_inception-2015-12-05-6726825d.pth"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
ADDRESS = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{FILE}"
VARIABLE = "GM_KERAS_INCEPTION"
SECONDS = 10
CHUNK = 1 << 20


def find_weights(path: Path | None = None) -> tuple[Path, str]:
    """Finds the file of weights, and downloads it where there is none.

    Args:
        path: The file; by default the one that the environment variable `GM_KERAS_INCEPTION` names, or else
            the one in the cache, `~/.cache/gm_keras` (`XDG_CACHE_HOME` in place of `~/.cache`). The cache
            holds the public weights only; a file that is named may hold others.

    Returns:
        The file, and its SHA-256.

    Raises:
        ValueError: If the file that was named is not there, if the one in the cache is damaged, or if there
            is none and it cannot be downloaded.
    """
    if path is None and os.environ.get(VARIABLE):
        path = Path(os.environ[VARIABLE]).expanduser()
    if path is not None:
        return path, _hash_named(path)
    cached = cache_dir() / FILE
    if not cached.exists():
        _download(cached)
    digest = _sha256(cached)
    if digest != SHA256:
        raise ValueError(
            f"{cached} is damaged (its SHA-256 begins with {digest[:8]}, not with {SHA256[:8]}): "
            "remove it, and it is downloaded again"
        )
    return cached, digest


def cache_dir() -> Path:
    """The folder of what was downloaded for the scores: `gm_keras` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "gm_keras"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_named(path: Path) -> str:
    try:
        # Opening a pipe would wait for its other end.
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "it is no file")
        return _sha256(path)
    except OSError as error:
        raise ValueError(
            f"the weights of the Inception network cannot be read from {path} ({error.strerror}): "
            f"name another file, by {VARIABLE} for example, or fetch it from {ADDRESS}"
        ) from None


def _download(target: Path) -> None:
    holder = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{FILE}.", dir=target.parent)
        holder = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            digest = _receive(file)
        if digest != SHA256:
            raise ValueError(_unavailable(target, f"its SHA-256 begins with {digest[:8]}"))
        os.replace(holder, target)
    except requests.RequestException as error:
        raise ValueError(_unavailable(target, _reason(error))) from None
    except OSError as error:
        raise ValueError(
            f"cannot write {target} ({error.strerror}): make room for 96 MB there, "
            f"or name a file of the weights by {VARIABLE}"
        ) from None
    finally:
        if holder is not None:
            holder.unlink(missing_ok=True)


def _receive(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    with requests.get(ADDRESS, stream=True, timeout=SECONDS) as response:
        response.raise_for_status()
        total = int(response.headers.get("Content-Length") or 0) or None
        with tqdm(
            total=total, unit="B", unit_scale=True, desc="weights of Inception", leave=False
        ) as bar:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
    return digest.hexdigest()


def _reason(error: requests.RequestException) -> str:
    host = urlsplit(ADDRESS).netloc
    if error.response is not None:
        return f"{host} answered {error.response.status_code}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return f"the connection to {host} broke off"
    return f"{host} cannot be reached"


def _unavailable(target: Path, reason: str) -> str:
    return (
        f"the weights of the Inception network are not in {target} and cannot be downloaded "
        f"({reason}): fetch {ADDRESS} by hand and put it there, or name the file by {VARIABLE}"
    )
