"""The loop of a script, as a textbook writes it: a step on every batch, a measurement after every epoch."""

from __future__ import annotations

from collections.abc import Iterator

from bigmodel.export.plan import Plan
from bigmodel.export.stages import factor, optimizer

_CROSS_ENTROPY = "loss_of = F.cross_entropy\n"

_MSE = """def loss_of(z, y{more}):
    target = F.one_hot(y, z.shape[1]).float()
{soften}    return F.mse_loss(z, target)
"""

_SOFTEN = "    target = target * (1 - label_smoothing) + label_smoothing / z.shape[1]\n"

_PENALTY = '''def penalty(network):
    """The length of the weights; biases, scales and shifts are free."""
    weights = [numbers for numbers in network.parameters() if numbers.dim() > 1]
    return L1 * sum(w.abs().sum() for w in weights) + L2 / 2 * sum(w.square().sum() for w in weights)
'''

_SETTINGS = '''def settings(step):
    """What holds after so many steps: CHANGES were made on the way."""
    now = {{{fields}}}
    for at, name, value in CHANGES:
        if at <= step:
            now[name] = value
    return now
'''

_MEASURE = '''@torch.no_grad()
def measure(network, name):
    """Loss and accuracy on a part, without dropout and without penalties."""
    x, y = parts[name]
    network.eval()
    z = torch.cat([network(rows) for rows in x.split(1000)])
    return float(loss_of(z, y)), float((z.argmax(1) == y).float().mean())
'''

_LOOK = '''def look(number):
    """Measure both parts{means}, print a line, and give the validation loss."""
{found}
    train_loss, train_accuracy, valid_loss, valid_accuracy = map(float, {taken})
    curve.append((number, train_loss, valid_loss, train_accuracy, valid_accuracy))
    print(f"{{number}},{{train_loss:.6f}},{{valid_loss:.6f}},{{train_accuracy:.4f}},{{valid_accuracy:.4f}}")
    return valid_loss
'''

_FOUND = (
    """    found = [[*measure(member.network, "train"), *measure(member.network, "valid")] for member in members]"""
)

_FOUND_LIVING = """    found = []
    for member in list(members):
        numbers = [*measure(member.network, "train"), *measure(member.network, "valid")]
        if numbers[0] <= 1e6 and numbers[2] <= 1e6:
            found.append(numbers)
        else:
            members.remove(member)  # it has diverged"""


_KEEP = '''def keep():
    """The networks as they are now."""
    return {member: copy.deepcopy(member.network.state_dict()) for member in members}
'''


def definitions(plan: Plan) -> str:
    """Everything that a stage of the training calls."""
    config = plan.config
    smooths = plan.uses("label_smoothing")
    mse = _MSE.format(more=", label_smoothing=0.0" if smooths else "", soften=_SOFTEN if smooths else "")
    pieces = ["\n".join(_member(plan)) + "\n", _CROSS_ENTROPY if config.loss == "cross_entropy" else mse]
    if plan.uses("l1") or plan.uses("l2"):
        pieces.append(_PENALTY)
    return "\n\n".join([*pieces, *held(plan), "\n".join(_epoch(plan)) + "\n", _MEASURE, *looks(plan)])


def held(plan: Plan) -> Iterator[str]:
    """What tells the settings and the rate of a step, where they move."""
    if plan.moved:
        names = {"learning_rate": "RATE", "batch": "BATCH", "dropout": "DROPOUT", "weight_decay": "WEIGHT_DECAY"}
        yield _SETTINGS.format(fields=", ".join(f'"{name}": {names[name]}' for name in _held(plan)))
    if plan.scheduled:
        yield factor(plan.stages[0])


def looks(plan: Plan) -> Iterator[str]:
    """What is done after an epoch."""
    yield _look(plan)
    if plan.config.patience:
        yield _KEEP


def _held(plan: Plan) -> tuple[str, ...]:
    """What `settings` tells: all that is changed on the way, and what the schedule needs."""
    return tuple(sorted({*plan.moved, "batch", "learning_rate"}))


def _look(plan: Plan) -> str:
    means = ", the means over the networks" if len(plan.seeds) > 1 else ""
    if plan.broke:
        return _LOOK.format(means=means, found=_FOUND_LIVING, taken="np.mean(found, 0) if found else [math.nan] * 4")
    return _LOOK.format(means=means, found=_FOUND, taken="np.mean(found, 0)")


def _member(plan: Plan) -> Iterator[str]:
    yield "class Member:"
    yield '    """A network with its optimizer and the order of its rows, all from one seed."""'
    yield ""
    yield "    def __init__(self, seed):"
    yield "        torch.manual_seed(seed)"
    yield "        self.network = build()"
    yield f"        self.optimizer = {optimizer(plan.stages[0]).format('self.network')}"
    yield "        self.order = torch.Generator().manual_seed(seed)"
    if plan.moved or plan.steps is not None:
        yield "        self.step = 0"
    if plan.dropout and len(plan.seeds) == 1:
        yield "        torch.manual_seed(seed)  # what is left out is drawn from here on"
    elif plan.dropout:
        yield "        self.masks = torch.Generator().manual_seed(seed).get_state()  # what is left out"


def _epoch(plan: Plan) -> Iterator[str]:
    """The steps of an epoch."""
    masks = plan.dropout and len(plan.seeds) > 1
    yield "def epoch(member, number):"
    yield '    """Every row of the training part once, in batches."""'
    yield '    x, y = parts["train"]'
    yield "    network, optimizer = member.network, member.optimizer"
    yield "    network.train()"
    if masks:
        yield "    torch.set_rng_state(member.masks)"
    yield "    order = torch.randperm(len(y), generator=member.order)"
    yield from (_moving if plan.moved else _even)(plan)
    yield from _step(plan)
    if masks:
        yield "    member.masks = torch.get_rng_state()"
    if plan.broke:
        yield "    return True"


def _even(plan: Plan) -> Iterator[str]:
    """Batches of one size."""
    batches = "torch.split(order, BATCH)"
    if plan.alone:
        yield "    # Batch normalisation knows no batch of one row: such a last batch is left out."
        batches = "[rows for rows in torch.split(order, BATCH) if len(rows) > 1]"
    if not plan.scheduled:
        yield f"    for rows in {batches}:"
        return
    yield f"    batches = {batches}"
    yield "    for k, rows in enumerate(batches):"
    yield "        for group in optimizer.param_groups:"
    yield '            group["lr"] = RATE * factor((number - 1) * len(batches) + k, EPOCHS * len(batches))'


def _moving(plan: Plan) -> Iterator[str]:
    """Batches whose size may change on the way, and what else may."""
    yield "    done = 0"
    yield "    while done < len(y):"
    yield "        now = settings(member.step)"
    yield '        rows = order[done : done + now["batch"]]'
    if plan.alone:
        yield "        if len(rows) == 1:"
        yield "            break  # batch normalisation knows no batch of one row"
    rate = 'now["learning_rate"]'
    if plan.scheduled:
        less = ' - (len(y) % now["batch"] == 1)' if plan.alone else ""
        yield f'        steps = math.ceil(len(y) / now["batch"]){less}  # in an epoch'
        rate += ' * factor((number - 1) * steps + done / now["batch"], EPOCHS * steps)'
    yield "        for group in optimizer.param_groups:"
    yield f'            group["lr"] = {rate}'
    if "weight_decay" in plan.moved:
        yield '            group["weight_decay"] = now["weight_decay"]'
    if "dropout" in plan.moved:
        yield "        for module in network.modules():"
        yield "            if isinstance(module, nn.Dropout):"
        yield '                module.p = now["dropout"]'
    yield "        done += len(rows)"


def _step(plan: Plan) -> Iterator[str]:
    """One step on the batch `rows`."""
    if plan.steps is not None:
        yield "        if member.step == STEPS:"
        yield "            break  # the time limit ended the run here"
    more = ", label_smoothing=SMOOTHING" if plan.uses("label_smoothing") else ""
    yield f"        loss = loss_of(network(x[rows]), y[rows]{more})"
    if plan.broke:
        yield "        if not loss.item() <= 1e6:"
        yield "            return False  # it has diverged"
    if plan.uses("l1") or plan.uses("l2"):
        yield "        loss = loss + penalty(network)"
    yield "        optimizer.zero_grad()"
    yield "        loss.backward()"
    if plan.uses("clip"):
        yield "        nn.utils.clip_grad_norm_(network.parameters(), CLIP)"
    yield "        optimizer.step()"
    if plan.moved or plan.steps is not None:
        yield "        member.step += 1"
