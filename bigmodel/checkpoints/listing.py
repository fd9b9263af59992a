"""Which files of a hub model we want: config, tokenizer, safetensors, and never anything that could run code."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import Any

from bigmodel.checkpoints.places import endpoint, public_host
from bigmodel.errors import ModelError

TIMEOUT = 15.0  # seconds without a byte, after which a download has broken off
_SMALL = ("*.json", "*.txt", "*.model", "*.jinja")
_NEVER = ("*.bin.index.json", "tf_*", "flax_*")
# The hub's own robot offers old models' weights as safetensors, in a pull request that only it can write to.
_ROBOT = "SFconvertbot"


@dataclass(frozen=True)
class File:
    """One file of a revision. `etag` names its content in the cache; `sha256` is known for large files only."""

    path: str
    size: int
    etag: str
    sha256: str | None


@dataclass(frozen=True)
class Revision:
    """A state of a repository: its reference (`main` or a pull request), its commit, the files that we want of it."""

    ref: str
    commit: str
    files: tuple[File, ...]


def listing(name: str) -> Revision:
    """What to download for a model: of `main`, or where that has pickles only, of the robot's conversion.

    Raises ModelError where neither has safetensors, and whatever the hub's library raises.
    """
    from huggingface_hub import HfApi

    hub = HfApi(endpoint=endpoint(), token=token())
    found = _revision(hub, name, "main") or _converted(hub, name)
    if found is None:
        raise ModelError("model.pickle", name=name)
    return found


def token() -> bool | None:
    """None: the user's own hub token, if there is one. False where strangers would use the host's."""
    return False if public_host() else None


def _converted(hub: Any, name: str) -> Revision | None:
    try:
        offers = list(hub.get_repo_discussions(name, author=_ROBOT, discussion_type="pull_request"))
    except OSError:  # a hub of another make has no discussions
        return None
    offered = (offer for offer in offers if offer.author == _ROBOT)
    return next((found for offer in offered if (found := _revision(hub, name, f"refs/pr/{offer.num}"))), None)


def _revision(hub: Any, name: str, ref: str) -> Revision | None:
    """The small files first, so that a wrong model is known by its config, the weights last; None without any."""
    info = hub.model_info(name, revision=None if ref == "main" else ref, files_metadata=True, timeout=TIMEOUT)
    top = [_file(one) for one in info.siblings or () if "/" not in one.rfilename]
    weights = [file for file in top if file.path == "model.safetensors"]
    weights = weights or [file for file in top if fnmatch.fnmatch(file.path, "model-*-of-*.safetensors")]
    small = [file for file in top if _among(file, _SMALL) and not _among(file, _NEVER)]
    return Revision(ref, str(info.sha), (*small, *weights)) if weights else None


def _among(file: File, kinds: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatch(file.path, kind) for kind in kinds)


def _file(one: Any) -> File:
    if one.lfs:
        return File(one.rfilename, one.lfs.size, one.lfs.sha256, one.lfs.sha256)
    return File(one.rfilename, one.size or 0, one.blob_id or "", None)
