"""Where TFDS keeps its files, and whether the rest can be had from the network.

TFDS itself tries an address eleven times, for more than three minutes, before it says that there
is no network; so one short request goes first.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

import requests

from gm_keras.data.source import DataError
from gm_keras.data.tfds import resource, tfds

SECONDS = 10
HOSTS = 3


def data_dir() -> Path:
    """TFDS' folder of built data sets: `TFDS_DATA_DIR`, otherwise `~/tensorflow_datasets`."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def download_dir() -> Path:
    """The folder of downloads: `GM_KERAS_DOWNLOAD_DIR`, otherwise `downloads` in `data_dir()`."""
    chosen = os.environ.get("GM_KERAS_DOWNLOAD_DIR")
    return Path(chosen).expanduser() if chosen else data_dir() / "downloads"


def missing(builder: tfds.core.DatasetBuilder) -> list[str]:
    """The addresses of the files that are not in the download folder yet."""
    folder = download_dir()
    addresses = []
    for url, info in (builder.url_infos or {}).items():
        cached = folder / builder.name / resource.get_dl_fname(url, info.checksum)
        by_hand = info.filename and (folder / "manual" / info.filename).exists()
        if not by_hand and not (cached.exists() and Path(f"{cached}.INFO").exists()):
            addresses.append(url)
    return addresses


def require_network(name: str, addresses: list[str]) -> None:
    """Says at once when none of the hosts of some addresses can be reached.

    Args:
        name: The data set's name.
        addresses: What is to be downloaded. A host that answers at all, if only with an error,
            counts as reached: what it means is for TFDS to tell.
    """
    hosts: dict[str, str] = {}
    for url in addresses:
        if urlsplit(url).scheme in ("http", "https"):
            hosts.setdefault(urlsplit(url).netloc, url)
    tried = list(hosts.items())[:HOSTS]
    for _, url in tried:
        try:
            requests.get(url, stream=True, timeout=SECONDS).close()
            return
        except requests.RequestException:
            continue
    if tried:
        raise DataError(unavailable(name, f"{tried[0][0]} cannot be reached"))


def unavailable(name: str, reason: str) -> str:
    """The error line for a data set that is neither here nor to be downloaded."""
    return (
        f'data set "{name}" is not in {data_dir()}, its files are not in {download_dir()}, and '
        f"they cannot be downloaded ({reason}): connect to the internet, or go on with the data "
        'set "digits", which needs no network'
    )
