"""A hub of our own for tests: answers like the real one for models made on the spot, and counts what it was asked."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

REVISION = "0123456789abcdef0123456789abcdef01234567"


def make_text(folder: Path, *, layers: int = 2, width: int = 32, context: int = 64, seed: int = 0) -> Path:
    """A tiny GPT-2 with random weights and a byte-level BPE tokenizer of 256 bytes, some merges and an end token."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = make_tokenizer()
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=context,
        n_embd=width,
        n_layer=layers,
        n_head=2,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = GPT2LMHeadModel(config)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_tokenizer() -> Any:
    """Byte-level BPE over a little English and Chinese, so that one character may be several tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|endoftext|>"]
    )
    raw.train_from_iterator(["I love the sea and the sun", "once upon a time there was a little cat"] * 4, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<|endoftext|>", eos_token="<|endoftext|>")


def make_bert(folder: Path, *, masked: bool = True) -> Path:
    """A tiny BERT with random weights and a word-piece tokenizer of letters and a few words; as a masked language
    model it comes without a pooler, as many of the hub do."""
    import torch
    from transformers import BertConfig, BertForMaskedLM, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz天气饮食运动。.,"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "rain", "soup", "ball", *letters]
    words += [f"##{letter}" for letter in letters]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = (BertForMaskedLM if masked else BertModel)(config)
    model.save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=40).save_pretrained(folder)
    return folder


def make_speech(folder: Path) -> Path:
    """A tiny wav2vec 2.0 for CTC with random weights and an alphabet."""
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    folder.mkdir(parents=True, exist_ok=True)
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ'"]
    (folder / "vocab.json").write_text(json.dumps({letter: i for i, letter in enumerate(letters)}))
    processor = Wav2Vec2Processor(Wav2Vec2FeatureExtractor(), Wav2Vec2CTCTokenizer(folder / "vocab.json"))
    config = Wav2Vec2Config(
        vocab_size=len(letters),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Wav2Vec2ForCTC(config)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


class Hub(ThreadingHTTPServer):
    """Serves the folders of `root`. `asked`: every request; `pause`: seconds between two pieces of a file."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.root = root
        self.asked: list[str] = []
        self.pause = 0.0
        self.gated: set[str] = set()
        self.offers: dict[str, str] = {}  # model → the folder that the converting robot offers in a pull request

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(root: Path) -> Iterator[Hub]:
    """A hub that runs while the block does."""
    hub = Hub(root)
    threading.Thread(target=hub.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()


class _Answers(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = self.path.split("?")[0]
        self.server.asked.append(f"{self.command} {path} {self.headers.get('Range', '')}".strip())
        path = self._robots(path)
        talk = re.fullmatch(r"/api/models/(.+?)/discussions", path)
        api = re.fullmatch(r"/api/models/(.+?)(/revision/[^/]+)?", path)
        file = re.fullmatch(r"/(.+?)/resolve/[^/]+/(.+)", path)
        name = found.group(1) if (found := talk or api or file) else ""
        if not name:
            self._send(200, b"a small hub", {}, body)
        elif not (self.server.root / name).is_dir():
            self._send(401, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
        elif talk:
            self._send(200, json.dumps(self._talk(name)).encode(), {"Content-Type": "application/json"}, body)
        elif api:
            self._send(200, json.dumps(self._about(name)).encode(), {"Content-Type": "application/json"}, body)
        elif name in self.server.gated:
            self._send(403, b"{}", {"X-Error-Code": "GatedRepo"}, body)
        elif file:
            self._file(self.server.root / name / file.group(2), body)

    def _robots(self, path: str) -> str:
        """A pull request's files lie in a folder of their own."""
        for name, folder in self.server.offers.items():
            path = path.replace(f"/api/models/{name}/revision/refs%2Fpr%2F7", f"/api/models/{folder}")
            path = path.replace(f"/{name}/resolve/{REVISION}/", f"/{folder}/resolve/{REVISION}/")
        return path

    def _talk(self, name: str) -> dict[str, Any]:
        offer = {
            "title": "Adding `safetensors` variant of this model",
            "num": 7,
            "author": {"name": "SFconvertbot"},
            "createdAt": "2023-01-01T00:00:00.000Z",
            "status": "open",
            "repo": {"name": name, "type": "model"},
            "isPullRequest": True,
        }
        offers = [{**offer, "num": 3, "author": {"name": "stranger"}}, *([offer] if name in self.server.offers else [])]
        return {"discussions": offers, "count": len(offers), "start": 0}

    def _about(self, name: str) -> dict[str, Any]:
        siblings = []
        for path in sorted((self.server.root / name).rglob("*")):
            if path.is_file():
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                about: dict[str, Any] = {"rfilename": path.name, "size": path.stat().st_size, "blobId": digest[:40]}
                if path.suffix in {".safetensors", ".bin"}:
                    about["lfs"] = {"sha256": digest, "size": path.stat().st_size, "pointerSize": 134}
                siblings.append(about)
        return {"id": name, "sha": REVISION, "siblings": siblings, "private": False, "tags": []}

    def _file(self, path: Path, body: bool) -> None:
        if not path.is_file():
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, body)
        content = path.read_bytes()
        start = int((re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) or [0, 0])[1])
        digest = hashlib.sha256(content).hexdigest()
        headers = {"ETag": f'"{digest}"', "X-Repo-Commit": REVISION, "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self._send(206 if start else 200, content[start:], headers, body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        try:
            for i in range(0, len(content) if body else 0, 1 << 14):
                self.wfile.write(content[i : i + (1 << 14)])
                time.sleep(self.server.pause)
        except OSError:
            self.close_connection = True  # whoever asked has gone
