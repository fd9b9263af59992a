"""What our numbers are held against: the loops of the textbook, and the bare arithmetic."""

from __future__ import annotations

import warnings

import numpy as np
import torch


def textbook(x: np.ndarray, y: np.ndarray, widths: tuple[int, ...], *, rate: float, batch: int, epochs: int) -> None:
    """The loop every tutorial shows: DataLoader over a TensorDataset, nn.Sequential, Adam. It measures nothing."""
    torch.manual_seed(42)
    rows = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    loader = torch.utils.data.DataLoader(rows, batch_size=batch, shuffle=True)
    network = sequential(x.shape[1], widths, int(y.max()) + 1)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    criterion = torch.nn.CrossEntropyLoss()
    for _ in range(epochs):
        for inputs, targets in loader:
            optimizer.zero_grad()
            criterion(network(inputs), targets).backward()
            optimizer.step()


def sequential(inputs: int, widths: tuple[int, ...], outputs: int) -> torch.nn.Sequential:
    """A plain ReLU network."""
    modules: list[torch.nn.Module] = []
    for width in widths:
        modules += [torch.nn.Linear(inputs, width), torch.nn.ReLU()]
        inputs = width
    return torch.nn.Sequential(*modules, torch.nn.Linear(inputs, outputs))


def sklearn(x: np.ndarray, y: np.ndarray, widths: tuple[int, ...], *, rate: float, batch: int, epochs: int) -> None:
    """scikit-learn's own network: same widths, batch, epochs and solver, no penalty, no early end."""
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier(
        widths, solver="adam", alpha=0.0, batch_size=batch, learning_rate_init=rate,
        max_iter=epochs, tol=0.0, n_iter_no_change=epochs + 1, random_state=42,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it did not converge; it was not asked to
        network.fit(x, y)


@torch.inference_mode()
def products(members: int, sizes: tuple[tuple[int, int], ...], batch: int, steps: int) -> None:
    """The matrix products of `steps` steps and nothing else: forward, weight slopes, and value slopes but the first."""
    weights = [torch.randn(members, outputs, inputs) for inputs, outputs in sizes]
    values = [torch.randn(members, batch, inputs) for inputs, _ in sizes]
    slopes = [torch.randn(members, batch, outputs) for _, outputs in sizes]
    for _ in range(steps):
        for w, x in zip(weights, values, strict=True):
            torch.bmm(x, w.transpose(1, 2))
        for w, x, g in zip(weights, values, slopes, strict=True):
            torch.bmm(g.transpose(1, 2), x)
            if x is not values[0]:
                torch.bmm(g, w)
