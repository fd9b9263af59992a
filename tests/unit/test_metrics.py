"""Scores are scikit-learn's, for two classes and for many, whatever is missing from the test part."""

import numpy as np
import pytest

from bigmodel.metrics import scores


def probabilities(y, classes, seed=0):
    """Guesses that are often right."""
    rng = np.random.default_rng(seed)
    p = rng.random((len(y), classes)) + 1.2 * np.eye(classes)[y]
    return (p / p.sum(1, keepdims=True)).astype(np.float32)[None]


@pytest.mark.parametrize(("classes", "average"), [(2, "binary"), (4, "macro")])
def test_scores_are_those_of_scikit_learn(classes, average):
    """Accuracy, precision, recall, F1, AUC, log loss and confusion agree with scikit-learn's functions."""
    from sklearn import metrics

    y = np.arange(200) % classes
    p = probabilities(y, classes)
    found, guess = scores(y, p, tuple("abcd"[:classes])), p[0].argmax(1)
    assert found.average == average
    assert found.accuracy == pytest.approx(metrics.accuracy_score(y, guess))
    assert found.precision == pytest.approx(metrics.precision_score(y, guess, average=average))
    assert found.recall == pytest.approx(metrics.recall_score(y, guess, average=average))
    assert found.f1 == pytest.approx(metrics.f1_score(y, guess, average=average))
    area = metrics.roc_auc_score(y, p[0][:, 1] if classes == 2 else p[0], multi_class="ovr", average="macro")
    assert found.auc == pytest.approx(area)
    assert found.log_loss == pytest.approx(metrics.log_loss(y, p[0]), rel=1e-4)
    assert found.confusion == tuple(map(tuple, metrics.confusion_matrix(y, guess).tolist()))


def test_a_class_missing_from_the_test_part_is_no_error():
    """With a class absent the matrix keeps its row, and the area is the mean over the classes that occur."""
    y = np.array([0, 0, 1, 1, 0, 1])
    found = scores(y, probabilities(y, 3), ("a", "b", "c"))
    assert len(found.confusion) == 3
    assert found.confusion[2] == (0, 0, 0)
    assert found.auc is not None


def test_one_class_alone_has_no_area():
    """With a single class in the test part there is no area under a curve: it is None, not a number."""
    y = np.zeros(5, dtype=np.int64)
    assert scores(y, probabilities(y, 2), ("a", "b")).auc is None


def test_every_network_has_its_accuracy_and_the_first_is_scored():
    """`members` holds one accuracy per network; the other scores are the first network's."""
    y = np.arange(60) % 3
    p = np.concatenate([probabilities(y, 3, seed=seed) for seed in range(4)])
    found = scores(y, p, ("a", "b", "c"))
    assert len(found.members) == 4
    assert found.members[0] == pytest.approx(found.accuracy)
