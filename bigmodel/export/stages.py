"""The training of a script: its settings, and the epochs stage by stage. A fork turns to other settings on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bigmodel.export.plan import Plan, Stage

OPTIMIZERS = {"sgd": "SGD", "adagrad": "Adagrad", "rmsprop": "RMSprop", "adam": "Adam", "adamw": "AdamW"}


def constants(plan: Plan, stage: Stage) -> dict[str, Any]:
    """The settings of a stage that its loop reads, by name."""
    config = stage.config
    found: dict[str, Any] = {"EPOCHS": config.epochs if stage.scheduled else stage.until}
    if stage.scheduled and stage.until != config.epochs:
        found["UNTIL"] = stage.until
    found |= {"BATCH": config.batch, "RATE": config.learning_rate}
    found |= {"MOMENTUM": config.momentum} if config.optimizer == "sgd" else {}
    if config.optimizer == "adamw" or "weight_decay" in plan.moved:
        found["WEIGHT_DECAY"] = config.weight_decay if config.optimizer == "adamw" else 0.0
    found |= {"DROPOUT": config.dropout} if plan.dropout else {}
    found |= {"SMOOTHING": config.label_smoothing} if plan.uses("label_smoothing") else {}
    found |= {"L1": config.l1, "L2": config.l2} if plan.uses("l1") or plan.uses("l2") else {}
    found |= {"CLIP": config.clip or float("inf")} if plan.uses("clip") else {}
    found |= {"PATIENCE": config.patience} if config.patience and stage is plan.stages[-1] else {}
    found |= {"STEPS": plan.steps} if plan.steps is not None else {}
    if plan.moved:
        kept = [change for change in config.changes if change.field in stage.moved]
        found["CHANGES"] = [
            (change.step, change.field, int(change.value) if change.field == "batch" else change.value)
            for change in sorted(kept, key=lambda change: change.step)
        ]
    return found


def run(plan: Plan) -> str:
    """The training itself, stage by stage."""
    return "\n".join(line for stage in plan.stages for line in _stage(plan, stage)) + "\n"


def _stage(plan: Plan, stage: Stage) -> Iterator[str]:
    first, config = stage is plan.stages[0], stage.config
    if first:
        yield "curve = []"
        yield "members = [Member(seed) for seed in SEEDS]"
        yield 'print("epoch,train_loss,valid_loss,train_accuracy,valid_accuracy")'
    else:
        yield from _turn(plan, stage)
    patient = bool(config.patience) and stage is plan.stages[-1]
    if patient:
        yield f"best, best_loss, kept = {stage.start}, {'look(0)' if first else 'curve[-1][2]'}, keep()"
    elif first:
        yield "look(0)"
    end = "UNTIL" if stage.scheduled and stage.until != config.epochs else "EPOCHS"
    yield f"for number in range({stage.start + 1}, {end} + 1):"
    if plan.broke:
        yield "    for member in list(members):"
        yield "        if not epoch(member, number):"
        yield "            members.remove(member)"
    else:
        yield "    for member in members:"
        yield "        epoch(member, number)"
    yield "    loss = look(number)" if patient else "    look(number)"
    if plan.broke:
        yield "    if not members:"
        yield "        break"
    if patient:
        yield "    if loss < best_loss:"
        yield "        best, best_loss, kept = number, loss, keep()"
        yield "    elif number - best >= PATIENCE:"
        yield "        break"
        yield "for member in members:  # back to the best epoch"
        yield "    member.network.load_state_dict(kept[member])"


def _turn(plan: Plan, stage: Stage) -> Iterator[str]:
    """From here on other settings hold."""
    before = plan.stages[plan.stages.index(stage) - 1]
    old = constants(plan, before)
    yield ""
    yield f"# ---- forked after epoch {stage.start}: from here on with other settings"
    yield ""
    for name, value in constants(plan, stage).items():
        if name not in old or old[name] != value:
            yield f"{name} = {_shown(value)}"
    if before.config.optimizer != stage.config.optimizer:
        yield "for member in members:"
        yield f"    member.optimizer = {optimizer(stage).format('member.network')}"
    else:
        more = {"sgd": ", momentum=MOMENTUM", "adamw": ", weight_decay=WEIGHT_DECAY"}
        yield "for member in members:"
        yield "    for group in member.optimizer.param_groups:"
        yield f"        group.update(lr=RATE{more.get(stage.config.optimizer, '')})"
        if stage.config.optimizer == "sgd" and stage.config.momentum > 0 == before.config.momentum:
            # torch keeps no velocity without momentum; it would have been the last slope.
            yield "    for numbers in member.network.parameters():"
            yield '        member.optimizer.state[numbers]["momentum_buffer"] = numbers.grad.clone()'
    if plan.dropout:
        yield "    for module in member.network.modules():"
        yield "        if isinstance(module, nn.Dropout):"
        yield "            module.p = DROPOUT"
    if plan.scheduled:
        yield from ("", "", *_factor(stage), "", "")


def _shown(value: Any) -> str:
    """A setting as the script writes it."""
    return "math.inf" if value == float("inf") else repr(value).replace("'", '"')


def settings(plan: Plan) -> str:
    """The settings that the script begins with."""
    first = {"SEEDS": list(plan.seeds), **constants(plan, plan.stages[0])}
    return "".join(f"{name} = {_shown(value)}\n" for name, value in first.items())


def optimizer(stage: Stage) -> str:
    """The optimizer of a network, made anew."""
    more = {"sgd": ", momentum=MOMENTUM", "adamw": ", weight_decay=WEIGHT_DECAY"}.get(stage.config.optimizer, "")
    return f"torch.optim.{OPTIMIZERS[stage.config.optimizer]}({{}}.parameters(), lr=RATE{more})"


def factor(stage: Stage) -> str:
    """The schedule of a stage as a function."""
    return "\n".join(_factor(stage)) + "\n"


def _factor(stage: Stage) -> Iterator[str]:
    schedule, warmup = stage.config.schedule, stage.config.warmup
    yield "def factor(step, steps):"
    yield '    """What the rate is multiplied by in a step (from 0)."""'
    if schedule == "one_cycle":
        yield ""
        yield "    def between(start, end, share):  # half a cosine"
        yield "        return end + (start - end) / 2 * (1 + math.cos(math.pi * min(share, 1.0)))"
        yield ""
        yield f"    top, last = {warmup or 0.3} * steps - 1, steps - 1"
        yield "    if step <= top:"
        yield "        return between(1 / 25, 1.0, step / top) if top else 1.0"
        yield "    top = max(top, 0.0)"
        yield "    return between(1.0, 1 / 25e4, (step - top) / (last - top)) if last > top else 1.0"
        return
    if warmup:
        yield f"    rising = round({warmup} * steps)"
        yield "    if step < rising:"
        yield "        return (step + 1) / (rising + 1)"
        if schedule != "constant":
            yield "    step, steps = step - rising, max(1, steps - rising)"
    ends = {
        "step": "0.1 ** math.floor(step / math.ceil(steps / 3))",
        "cosine": "(1 + math.cos(math.pi * step / steps)) / 2",
    }
    yield f"    return {ends.get(schedule, '1.0')}"
