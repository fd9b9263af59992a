"""A fine-tuning as code: the encoder and its head, and the loop that trains both, in PyTorch and transformers.

The script reads the very token numbers that the page's network read; the encoder it takes from the hub, or from a
folder beside it. `plan.py`, `stages.py` and the rest of `loop.py` serve it as they serve every training: it is one
member, trained by AdamW.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bigmodel.checkpoints.places import folder_of, hub_id
from bigmodel.datasets import Dataset
from bigmodel.export import loop, stages
from bigmodel.export.plan import Plan, Training, plan

_READER = '''# Where the tokens of each text stand in a row (-1 is behind its end), and all other numbers.
TEXTS = {texts}
OTHERS = {others}
ENCODER = {encoder}
{missing}

class Reader(nn.Module):
    """The encoder, and a linear head over the mean of its last states for each text."""

    def __init__(self, seed):
        super().__init__()
        self.encoder = AutoModel.from_pretrained(ENCODER, dtype=torch.float32, use_safetensors=True)
        self.encoder.config.use_cache = False
        self.head = nn.Linear(len(TEXTS) * self.encoder.config.hidden_size + len(OTHERS), {classes})
        start = torch.Generator().manual_seed(seed)
        nn.init.normal_(self.head.weight, std=0.02, generator=start)
        nn.init.zeros_(self.head.bias)
        self.eval()  # the encoder's own dropout stays off

    def read(self, ids):
        ids = ids[:, : max(1, int((ids >= 0).sum(1).max()))]
        there = ids >= 0
        states = self.encoder(input_ids=ids.clamp(min=0), attention_mask=there.long()).last_hidden_state
        weights = there.unsqueeze(2).float()
        return (states * weights).sum(1) / weights.sum(1).clamp(min=1)

    def forward(self, x, kept=1.0):
        texts = [self.read(x[:, start:stop].long()) for start, stop in TEXTS]
        return self.head(torch.cat([*texts, x[:, OTHERS]], 1) * kept)
'''

_MISSING = """
if not ENCODER.is_dir():
    raise SystemExit("The encoder is missing: put the folder {name} beside this file ({where}).")
"""

_MEMBER = '''class Member:
    """The network with its optimizer and the order of its rows, all from one seed."""

    def __init__(self, seed):
        self.network = Reader(seed)
        encoder = {"params": self.network.encoder.parameters(), "lr": ENCODER_RATE}
        groups = [{"params": self.network.head.parameters()}, encoder]
        self.optimizer = torch.optim.AdamW(groups, lr=RATE, weight_decay=WEIGHT_DECAY)
        self.order = torch.Generator().manual_seed(seed)
'''

_MEASURE = '''@torch.no_grad()
def measure(network, name):
    """Loss and accuracy on a part, without dropout."""
    x, y = parts[name]
    z = torch.cat([network(rows) for rows in x.split(100)])
    return float(F.cross_entropy(z, y)), float((z.argmax(1) == y).float().mean())
'''


def planned(training: Training) -> Plan:
    """The stages of a fine-tuning; settings that it does not have are those of a network without them."""
    settings = {"architecture": "mlp", "optimizer": "adamw", "normalisation": "none", "l1": 0.0, "l2": 0.0}
    return plan(replace(training, config=replace(training.config, **settings)))  # type: ignore[arg-type]


def encoder_of(data: Dataset) -> str:
    """The name of the encoder that is fine-tuned."""
    return next(str(entry["encoder"]) for entry in data.recipe["columns"] if entry["kind"] == "tokens")


def beside(data: Dataset) -> tuple[str, Path] | None:
    """The folder that must lie beside the script, by its name there and where it is now; None for one of the hub."""
    folder = folder_of(encoder_of(data))
    return None if folder is None else (folder.name, folder)


def network(data: Dataset, *, notebook: bool) -> str:
    """Lines that define the network."""
    from bigmodel.train.finetune import others_of, spans_of

    spans, _ = spans_of(data.recipe)
    others = others_of(spans, data.train.x.shape[1])
    found, missing = beside(data), ""
    encoder = f'"{hub_id(encoder_of(data))}"' if found is None else ""
    if found is not None:
        name = found[0].replace('"', "'").replace("\\", "/")
        encoder = f'Path("{name}")' if notebook else f'Path(__file__).with_name("{name}")'
        shipped = name == encoder_of(data)
        where = f"it is bigmodel/pretrained/{name} of the lab" if shipped else "a copy of the one that was fine-tuned"
        missing = _MISSING.format(name=name, where=where)
    said = {"texts": spans, "others": others, "classes": len(data.classes)}
    return _READER.format(**said, encoder=encoder, missing=missing)


def settings(training: Training, way: Plan) -> str:
    """The settings that the script begins with."""
    return stages.settings(way) + f"ENCODER_RATE = {training.config.encoder_rate!r}\n"


def definitions(way: Plan) -> str:
    """Everything that the training calls."""
    member = _MEMBER
    if way.dropout:
        member += "        self.drops = torch.Generator().manual_seed(seed)  # what is left out before the head\n"
    if way.moved or way.steps is not None:
        member += "        self.step = 0\n"
    return "\n\n".join([member, *loop.held(way), "\n".join(_epoch(way)) + "\n", _MEASURE, *loop.looks(way)])


def _epoch(way: Plan) -> Iterator[str]:
    yield "def epoch(member, number):"
    yield '    """Every row of the training part once, in batches."""'
    yield '    x, y = parts["train"]'
    yield "    network, optimizer = member.network, member.optimizer"
    yield "    order = torch.randperm(len(y), generator=member.order)"
    yield from (_moving if way.moved else _even)(way)
    if way.steps is not None:
        yield "        if member.step == STEPS:"
        yield "            break  # the time limit ended the run here"
    kept = ""
    if way.dropout:
        share = '1 - now["dropout"]' if "dropout" in way.moved else "1 - DROPOUT"
        yield f"        share, kept = {share}, 1.0"
        yield "        if share < 1:"
        yield "            drawn = torch.rand(len(rows), network.head.in_features, generator=member.drops)"
        yield "            kept = (drawn < share).float() / share"
        kept = ", kept"
    more = ", label_smoothing=SMOOTHING" if way.uses("label_smoothing") else ""
    yield f"        loss = F.cross_entropy(network(x[rows]{kept}), y[rows]{more})"
    if way.broke:
        yield "        if not loss.item() <= 1e6:"
        yield "            return False  # it has diverged"
    yield "        optimizer.zero_grad()"
    yield "        loss.backward()"
    if way.uses("clip"):
        yield "        nn.utils.clip_grad_norm_(network.parameters(), CLIP)"
    yield "        optimizer.step()"
    if way.moved or way.steps is not None:
        yield "        member.step += 1"
    if way.broke:
        yield "    return True"


def _even(way: Plan) -> Iterator[str]:
    """Batches of one size."""
    if not way.scheduled:
        yield "    for rows in torch.split(order, BATCH):"
        return
    yield "    batches = torch.split(order, BATCH)"
    yield "    for k, rows in enumerate(batches):"
    yield "        share = factor((number - 1) * len(batches) + k, EPOCHS * len(batches))"
    yield "        for group, rate in zip(optimizer.param_groups, (RATE, ENCODER_RATE), strict=True):"
    yield '            group["lr"] = rate * share'


def _moving(way: Plan) -> Iterator[str]:
    """Batches whose size may change on the way, and what else may."""
    yield "    done = 0"
    yield "    while done < len(y):"
    yield "        now = settings(member.step)"
    yield '        rows = order[done : done + now["batch"]]'
    times = ""
    if way.scheduled:
        yield '        steps = math.ceil(len(y) / now["batch"])  # in an epoch'
        yield '        share = factor((number - 1) * steps + done / now["batch"], EPOCHS * steps)'
        times = " * share"
    yield "        done += len(rows)"
    yield '        for group, rate in zip(optimizer.param_groups, (now["learning_rate"], ENCODER_RATE), strict=True):'
    yield f'            group["lr"] = rate{times}'
    if "weight_decay" in way.moved:
        yield '            group["weight_decay"] = now["weight_decay"]'
