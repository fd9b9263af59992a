"""The plane through the data, and the pictures of a network on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bigmodel.datasets import Dataset, DatasetConfig, Part, load_dataset
from bigmodel.networks import Stack, build, hidden, predict
from bigmodel.train import TrainConfig
from bigmodel.train.plane import POINTS, SIDE, UNIT_SIDE, UNITS, Painter, Picture, Units, cut, listen, paint


def data_of(x: np.ndarray) -> Dataset:
    """Rows of two alternating classes."""
    part = Part(x.astype(np.float32), np.arange(len(x), dtype=np.int64) % 2)
    wide = x.shape[1]
    names = tuple(map(str, range(wide)))
    return Dataset("made", names, ("a", "b"), part, part, part, np.zeros(wide), np.ones(wide))


@pytest.fixture(scope="module")
def moons() -> Dataset:
    """Two features."""
    return load_dataset(DatasetConfig(dataset="moons", rows=200))


@pytest.fixture(scope="module")
def wine() -> Dataset:
    """Thirteen features, three classes."""
    return load_dataset(DatasetConfig(dataset="wine"))


def stack_of(data: Dataset, **settings: object) -> Stack:
    """A network as it starts."""
    return build(TrainConfig(**settings), data)  # type: ignore[arg-type]


def test_two_features_are_their_own_plane(moons: Dataset) -> None:
    """Axes and points are in the units of the features, no share is told, and a place is the row that lies there."""
    where = cut(moons)
    assert (where.plane.axes, where.plane.shares) == (("x1", "x2"), ())
    raw = moons.train.x * moons.scale + moons.mean
    assert where.plane.points[3] == pytest.approx((*raw[3], moons.train.y[3]), abs=1e-5)
    x0, x1, y0, y1 = where.plane.grid
    assert x0 < raw[:, 0].min() < raw[:, 0].max() < x1
    corners = where.rows(2) * moons.scale + moons.mean
    assert corners == pytest.approx(np.array([[x0, y0], [x1, y0], [x0, y1], [x1, y1]]), abs=1e-5)


def test_more_features_are_cut_along_scikit_learns_components(wine: Dataset) -> None:
    """The slice is the PCA of the training part: shares, directions (up to sign) and where the rows fall."""
    from sklearn.decomposition import PCA

    where, pca = cut(wine), PCA(2).fit(wine.train.x)
    assert where.plane.axes == ()
    assert where.plane.shares == pytest.approx(tuple(pca.explained_variance_ratio_), abs=1e-5)
    assert np.abs(np.sum(where.across * pca.components_, 1)) == pytest.approx([1, 1], abs=1e-5)
    fallen = np.abs(pca.transform(wine.train.x))
    assert np.abs([point[:2] for point in where.plane.points]) == pytest.approx(fallen, abs=1e-4)


def test_the_slice_keeps_the_other_directions_at_their_mean(wine: Dataset) -> None:
    """Every place of the plane is the mean of the training part along each other component."""
    from sklearn.decomposition import PCA

    places = PCA().fit(wine.train.x).transform(cut(wine).rows(5))
    assert np.abs(places[:, 2:]).max() < 1e-4


def test_very_wide_data_has_the_same_plane() -> None:
    """With more columns than rows the other product is taken: the shares are those of the singular values."""
    x = np.random.default_rng(0).standard_normal((40, 3000))
    x[:, 7] *= 90
    where = cut(data_of(x))
    singular = np.linalg.svd(x - x.mean(0), compute_uv=False) ** 2
    assert where.plane.shares == pytest.approx(tuple(singular[:2] / singular.sum()), abs=1e-4)
    assert int(np.abs(where.across[0]).argmax()) == 7


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_data_without_spread_has_a_plane(columns: int) -> None:
    """One column, or rows that are all the same, give a picture of some size and no NaN."""
    for x in (np.zeros((10, columns)), np.arange(10.0)[:, None].repeat(columns, 1)):
        where = cut(data_of(x))
        x0, x1, y0, y1 = where.plane.grid
        assert x0 < x1
        assert y0 < y1
        assert np.isfinite(where.rows(3)).all()


def test_at_most_so_many_points() -> None:
    """Of many rows the first POINTS are shown."""
    assert len(cut(data_of(np.random.default_rng(0).standard_normal((900, 4)))).plane.points) == POINTS


def test_a_picture_is_what_the_network_predicts_there(wine: Dataset) -> None:
    """Class by class, row by row from the lowest y up; one member disagrees with nobody."""
    stack, where = stack_of(wine, widths=(8,)), cut(wine)
    picture = paint(stack, where, 4, 10)
    share = predict(stack, torch.from_numpy(where.rows(10)))[0]
    assert picture.number == 4
    assert picture.surface == (share.T * 255).round().to(torch.uint8).numpy().tobytes()
    assert picture.spread == b""


def test_spread_is_the_deviation_between_members(moons: Dataset) -> None:
    """It is the largest over the classes of the deviation of P, a half being 255."""
    stack, where = stack_of(moons, widths=(8,), seeds=5), cut(moons)
    share = predict(stack, torch.from_numpy(where.rows(6))).numpy()
    spread = np.frombuffer(paint(stack, where, 0, 6).spread, np.uint8)
    assert spread == pytest.approx(share.std(0).max(1) * 510, abs=0.51)
    assert spread.max() > 0


def test_units_show_what_the_first_member_hears(moons: Dataset) -> None:
    """Layer by layer, the first units' values by their largest size, zero in the middle of the scale."""
    stack, where = stack_of(moons, widths=(20, 3), activation="tanh", seeds=2), cut(moons)
    units = listen(stack, where, 7)
    assert units is not None
    assert (units.number, units.widths) == (7, (20, 3))
    assert [len(maps) for maps in units.maps] == [UNITS * UNIT_SIDE**2, 3 * UNIT_SIDE**2]
    values = hidden(stack, torch.from_numpy(where.rows(UNIT_SIDE)))[1][0, :, 2].numpy()
    drawn = np.frombuffer(units.maps[1], np.uint8)[-(UNIT_SIDE**2) :]
    assert drawn == pytest.approx(128 + 127 * values / np.abs(values).max(), abs=0.51)
    assert units.peaks[1][2] == pytest.approx(np.abs(values).max(), rel=1e-2)


def test_a_silent_unit_has_no_peak(moons: Dataset) -> None:
    """A ReLU whose input is below zero everywhere gives an even picture and the peak 0."""
    stack = stack_of(moons, widths=(4,))
    stack.views(stack.numbers)[2][0, 1] = -1e6  # the bias of the second unit
    units = listen(stack, cut(moons), 0)
    assert units is not None
    assert units.peaks[0][1] == 0
    assert set(units.maps[0][UNIT_SIDE**2 : 2 * UNIT_SIDE**2]) == {128}


def test_no_hidden_layer_has_no_units(moons: Dataset) -> None:
    """Logistic regression hears nothing in between."""
    assert listen(stack_of(moons, widths=()), cut(moons), 0) is None


def test_the_painter_keeps_its_pace(moons: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred epochs at one moment have one picture, a later moment the next; the last epoch always has its own."""
    now = [100.0]
    monkeypatch.setattr("bigmodel.train.plane.time.monotonic", lambda: now[0])
    painter = Painter(stack_of(moons, widths=(4,)), cut(moons))
    pictures = [picture for number in range(100) for picture in painter.look(number)]
    assert [type(picture) for picture in pictures] == [Picture, Units]
    now[0] += 0.2
    assert [type(picture) for picture in painter.look(101)] == [Picture]
    assert [type(picture) for picture in painter.look(102, last=True)] == [Picture, Units]
    now[0] += 1000.0
    (late, _) = painter.look(103)
    assert isinstance(late, Picture)
    now[0] += 5.0
    assert list(painter.look(104)) == []  # a long training is painted every hundredth of its age


def test_a_network_that_is_gone_has_no_pictures(moons: Dataset) -> None:
    """When all members have diverged there is nothing to look at."""
    stack = stack_of(moons, widths=(4,))
    stack.keep(torch.tensor([], dtype=torch.long))
    assert list(Painter(stack, cut(moons)).look(1, last=True)) == []


def test_a_picture_has_its_full_size_on_a_small_network(moons: Dataset) -> None:
    """The picture is as fine as it may be where that costs little."""
    (picture, _) = Painter(stack_of(moons, widths=(4,)), cut(moons)).look(0)
    assert isinstance(picture, Picture)
    assert len(picture.surface) <= 2 * SIDE**2
