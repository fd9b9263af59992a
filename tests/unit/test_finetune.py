"""Fine-tuning: a pre-trained encoder and a linear head, trained on texts with the events of every training."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bigmodel import checkpoints
from bigmodel.datasets import DatasetConfig, drain, read_table, table_dataset
from bigmodel.errors import BigModelError, ConfigError
from bigmodel.networks import build
from bigmodel.train import Changed, Epoch, Progress, TrainConfig, finetune, judge
from bigmodel.train.baselines import Baseline, baselines
from bigmodel.train.finetune import Tuned, bag, network_for, spans_of
from bigmodel.train.finetune import finetune as tune
from bigmodel.train.judging import probabilities
from bigmodel.train.steering import Steering
from bigmodel.ui.words import LANGUAGES, word
from tests import hub as hubs

CONFIG = TrainConfig(epochs=3, batch=8, learning_rate=1e-2, encoder_rate=1e-3, weight_decay=0.1)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """The folder of a tiny BERT."""
    return str(hubs.make_bert(tmp_path_factory.mktemp("bert") / "tiny"))


@pytest.fixture(scope="module")
def data(tmp_path_factory, bert):
    """Two columns of text and a number; the class is what the first text is about."""
    words = ("rain", "soup", "ball")
    lines = ["size,first,second,kind"]
    for k in range(60):
        letters = f"{'abcdefghij'[k % 10]} {'klmnop'[k // 10]}"[: 1 + 2 * (k % 2)]
        lines.append(f"{k % 7 / 3:.2f},the {words[k % 3]} {letters} {k},{k} of the rest,{words[k % 3]}")
    path = tmp_path_factory.mktemp("table") / "texts.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return table_dataset(read_table(str(path)), "kind", DatasetConfig(features="tuned", encoder=bert, tokens=12))


def epochs_of(events):
    return [event for event in events if isinstance(event, Epoch)]


def textbook(config, data, bert):
    """The same in plain PyTorch: the mean loss over both parts after each epoch."""
    spans, _ = spans_of(data.recipe)
    network = Tuned(config, data).module
    encoder = copy.deepcopy(checkpoints.load_encoder(bert).model).requires_grad_(True)
    head = copy.deepcopy(network.head)
    groups = [{"params": head.parameters()}, {"params": encoder.parameters(), "lr": config.encoder_rate}]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)

    def forward(x):
        pieces = []
        for start, stop in spans:
            ids = x[:, start:stop].long()
            states = encoder(input_ids=ids.clamp(min=0), attention_mask=(ids >= 0).long()).last_hidden_state
            pieces.append(torch.stack([s[: int((row >= 0).sum())].mean(0) for s, row in zip(states, ids, strict=True)]))
        return head(torch.cat([*pieces, x[:, :1]], 1))

    parts = [(torch.from_numpy(part.x), torch.from_numpy(part.y)) for part in (data.train, data.valid)]
    order, curve = torch.Generator().manual_seed(config.seed), []
    for number in range(config.epochs + 1):
        x, y = parts[0]
        for rows in torch.randperm(len(y), generator=order).split(config.batch) if number else ():
            optimizer.zero_grad()
            F.cross_entropy(forward(x[rows]), y[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            curve.append([float(F.cross_entropy(forward(x), y)) for x, y in parts])
    return curve


@pytest.mark.parametrize("work", [finetune.WORK, 1])
def test_it_is_the_textbook_s_loop_whole_or_in_pieces(data, bert, monkeypatch, work):
    """AdamW with two rates over encoder and head gives the same losses, a batch at once or row by row."""
    monkeypatch.setattr(finetune, "WORK", work)
    found = epochs_of(tune(CONFIG, Tuned(CONFIG, data), data))
    for epoch, (train_loss, valid_loss) in zip(found, textbook(CONFIG, data, bert), strict=True):
        assert epoch.train_loss == pytest.approx(train_loss, abs=2e-5)
        assert epoch.valid_loss == pytest.approx(valid_loss, abs=2e-5)
    assert [epoch.number for epoch in found] == [0, 1, 2, 3]
    assert (found[-1].ended, found[-1].step, found[-1].steps) == ("finished", 15, 15)


def test_it_learns_and_leaves_the_shared_encoder_as_it_was(data, bert):
    """The training loss falls; whoever else reads with the encoder reads the same as before."""
    encoder = checkpoints.load_encoder(bert)
    before = {name: numbers.clone() for name, numbers in encoder.model.state_dict().items()}
    config = TrainConfig(**{**vars(CONFIG), "epochs": 10, "encoder_rate": 1e-2})
    found = epochs_of(tune(config, Tuned(config, data), data))
    assert found[-1].train_loss < 0.8 * found[0].train_loss
    assert all(torch.equal(numbers, before[name]) for name, numbers in encoder.model.state_dict().items())


def test_the_same_seed_gives_the_same_curve_dropout_included(data):
    """Two runs are equal number for number; another seed is another run."""
    config = TrainConfig(**{**vars(CONFIG), "dropout": 0.3})
    curves = [[e.valid_loss for e in epochs_of(tune(config, Tuned(config, data), data))] for _ in range(2)]
    assert curves[0] == curves[1]
    other = TrainConfig(**{**vars(config), "seed": 7})
    assert [e.valid_loss for e in epochs_of(tune(other, Tuned(other, data), data))] != curves[0]


def test_with_patience_it_goes_back_to_its_best_epoch(data):
    """It ends early, and the network gives the loss of the best epoch; also when it is stopped on the way."""
    config = TrainConfig(**{**vars(CONFIG), "epochs": 40, "learning_rate": 0.5, "encoder_rate": 0.1, "patience": 2})
    network = Tuned(config, data)
    found = epochs_of(tune(config, network, data))
    best = next(epoch for epoch in found if epoch.number == found[-1].best)
    assert found[-1].ended == "early"
    p = drain(probabilities(network, data.valid.x))[0]
    loss = -np.log(p[np.arange(len(p)), data.valid.y]).mean()
    assert loss == pytest.approx(best.valid_loss, abs=1e-4)


def test_a_stop_leaves_a_network_that_can_be_judged(data):
    """Closing the events between two of them is all; the test part then has its scores."""
    network = Tuned(CONFIG, data)
    events = tune(CONFIG, network, data)
    next(event for event in events if isinstance(event, Epoch) and event.number == 1)
    events.close()
    scores = judge(network, data)
    assert scores.rows == len(data.test.y)
    assert np.allclose(drain(probabilities(network, data.test.x)).sum(2), 1, atol=1e-5)


def test_what_is_changed_on_the_way_is_told_and_makes_the_same_curve_again(data):
    """A new rate, batch, decay and dropout take effect with an event; the recipe with them repeats the curve."""
    config, steering, found, told = TrainConfig(**{**vars(CONFIG), "epochs": 4}), Steering(), [], []
    for event in tune(config, Tuned(config, data), data, steering=steering):
        if isinstance(event, Epoch):
            found.append(event.valid_loss)
            for name, value in (("learning_rate", 0.1), ("batch", 5), ("weight_decay", 0.5), ("dropout", 0.2)):
                steering.ask(name, value) if event.number == 2 else None
        if isinstance(event, Changed):
            told.append(event.field)
            config = config.recorded(event)
    assert told == ["learning_rate", "batch", "weight_decay", "dropout"]
    assert [e.valid_loss for e in epochs_of(tune(config, Tuned(config, data), data))] == found


def test_a_step_alone_is_an_event_of_its_own(data):
    """For each that was asked for comes a Progress, one step on."""
    steering = Steering()
    for _ in range(3):
        steering.single()
    events = (event for event in tune(CONFIG, Tuned(CONFIG, data), data, steering=steering) if event is not None)
    assert isinstance(next(events), Epoch)
    assert [event.step for event in (next(events), next(events), next(events)) if isinstance(event, Progress)] == [
        1,
        2,
        3,
    ]


def test_what_breaks_is_marked_and_cannot_be_judged(data):
    """Numbers that are none end it as diverged."""
    network = Tuned(CONFIG, data)
    events = tune(CONFIG, network, data)
    next(event for event in events if isinstance(event, Epoch))
    network.module.head.bias.data.fill_(math.nan)
    last = epochs_of(events)[-1]
    assert (last.ended, last.members[0].diverged_at) == ("diverged", 1)
    assert math.isnan(last.valid_loss)
    with pytest.raises(BigModelError) as caught:
        judge(network, data)
    assert caught.value.key == "train.diverged"


def test_a_time_budget_ends_it_where_it_stands(data):
    """After a second of work it is over, measured and told, far from its epochs."""
    config = TrainConfig(**{**vars(CONFIG), "epochs": 10_000, "seconds": 1.0})
    last = epochs_of(tune(config, Tuned(config, data), data))[-1]
    assert last.ended == "time"
    assert last.number < 10_000


REFUSED = {
    "finetune.seeds": lambda data: Tuned(TrainConfig(seeds=2), data),
    "finetune.loss": lambda data: Tuned(TrainConfig(loss="mse"), data),
    "networks.tokens": lambda data: build(TrainConfig(), data),
}


@pytest.mark.parametrize("key", REFUSED)
def test_what_a_fine_tuning_cannot_do_is_one_sentence(data, key):
    """Several seeds, squares, a stack: each says why, in both languages."""
    with pytest.raises(BigModelError) as caught:
        REFUSED[key](data)
    error = caught.value.problems[0] if isinstance(caught.value, ConfigError) else caught.value
    assert error.key == key
    for language in LANGUAGES:
        assert "{" not in word(error, language)


def test_baselines_see_the_tokens_without_their_order(data):
    """The bag is scikit-learn's TF-IDF of the token counts, beside the number; a class named in the text is found."""
    from sklearn.feature_extraction.text import TfidfTransformer

    found = bag(data)
    spans, _ = spans_of(data.recipe)
    start, stop = spans[0]
    known = [k for k in np.unique(data.train.x[:, start:stop]) if k >= 0]
    counts = [[(row == k).sum() for k in known] for row in data.train.x[:, start:stop]]
    weights = TfidfTransformer(sublinear_tf=True).fit_transform(np.array(counts, float)).toarray()
    assert np.allclose(found.train.x[:, 1 : 1 + len(known)], weights, atol=1e-6)
    assert np.array_equal(found.valid.x[:, 0], data.valid.x[:, 0])
    marks = {mark.name: mark for mark in baselines(found) if isinstance(mark, Baseline)}
    assert marks["logistic"].valid_accuracy > 0.9


def test_a_data_set_decides_what_is_trained_on_it(data):
    """Tokens are for an encoder, numbers for a stack."""
    from bigmodel.datasets import load_dataset

    assert isinstance(network_for(CONFIG, data), Tuned)
    assert not isinstance(network_for(CONFIG, load_dataset(DatasetConfig())), Tuned)
