"""TorchModel: any network of torch as a legacy model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import Tensor, nn

from rarecorrect_face.nets.devices import autocast
from rarecorrect_face.nets.layers import check_layers, in_service, read_layers

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]


class TorchModel(ClassifierMixin, BaseEstimator):
    """A trained network as a classifier that is fitted, and never refitted.

    Parameters
    ----------
    net : Module
        Gives logits of shape (n_rows, n_classes), or (n_rows, 1) for two classes.  Its
        weights stay where they are and as they are.
    layers : sequence of str, default=()
        Inner layers that detectors may see, as ``net.named_modules()`` names them.
    classes : sequence
        Labels, in the order of the logits.
    preprocess : callable or None, default=None
        From a batch of rows to what the network takes.  ``None``: the rows as a tensor
        of the type of the weights.  A function of a module can be pickled, a lambda
        cannot.
    batch_size : int, default=64
    precision : {"float32", "bfloat16", "auto"}, default="float32"
        ``"bfloat16"`` takes half of the time on some devices.  Features then differ by
        some hundredths of their spread: certify and serve at the same precision.

    Raises
    ------
    ValueError
        On use: for a layer that there is not, or classes that do not fit the logits.

    Examples
    --------
    A corrector that sees the first layer of a network, and its logits:

    >>> from rarecorrect import ErrorCorrector
    >>> net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> model = TorchModel(net, ["0"], classes=["no", "yes"])
    >>> model.predict(np.zeros((3, 2))).shape, model.classes_.tolist()
    ((3,), ['no', 'yes'])
    >>> corrector = ErrorCorrector(model, features=["layer:0", "logits"])
    """

    def __init__(
        self,
        net: nn.Module,
        layers: Sequence[str] = (),
        *,
        classes: Sequence[Any],
        preprocess: Callable[[Any], Any] | None = None,
        batch_size: int = 64,
        precision: str = "float32",
    ) -> None:
        self.net = net
        self.layers = layers
        self.classes = classes
        self.preprocess = preprocess
        self.batch_size = batch_size
        self.precision = precision

    @property
    def classes_(self) -> Array:
        """Labels, in the order of the columns of :meth:`predict_proba`."""
        return np.asarray(self.classes)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Do nothing, as in a ``FrozenEstimator``: the network is trained.

        Parameters
        ----------
        X, y : object
            Not looked at.

        Returns
        -------
        TorchModel
        """
        return self

    def predict(self, X: Any) -> Array:
        """Label of every row.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return np.asarray(self.classes_[self._logits(X).argmax(axis=1)])

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Probabilities of the classes, which sum to 1.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
        """
        return _shares(self._logits(X))

    def decision_function(self, X: Any) -> FloatArray:
        """Logits; for two classes that of the second minus that of the first.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)

        Returns
        -------
        ndarray of shape (n_rows, n_classes) or (n_rows,)
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def read(
        self, X: Any, layers: Sequence[str] | None = None
    ) -> tuple[FloatArray, dict[str, FloatArray]]:
        """Logits and inner layers in one pass.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)
        layers : sequence of str, optional
            Default: those of the model.

        Returns
        -------
        logits : ndarray of shape (n_rows, n_classes)
        tables : dict of str to ndarray of shape (n_rows, n_columns)
            See :func:`~rarecorrect_face.nets.layers.read_layers`.
        """
        wanted = list(self.layers if layers is None else layers)
        check_layers(self.net, wanted)
        found: list[Tensor] = []
        tables: dict[str, list[Tensor]] = {name: [] for name in wanted}
        device = _device(self.net)
        with in_service(self.net), autocast(device, self.precision):
            for batch in self._batches(X):
                output, inner = read_layers(self.net, batch, wanted)
                found.append(self._checked(output, len(batch)))
                for name, table in inner.items():
                    tables[name].append(table.cpu())
        return _joined(found), {name: _joined(parts) for name, parts in tables.items()}

    def read_layers(
        self, X: Any, names: Sequence[str]
    ) -> tuple[npt.NDArray[np.float64], dict[str, FloatArray]]:
        """Probabilities and layers in one pass, for ``features="layer:<name>"``.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)
        names : sequence of str

        Returns
        -------
        probabilities : ndarray of shape (n_rows, n_classes)
        tables : dict of str to ndarray of shape (n_rows, n_columns)
        """
        logits, tables = self.read(X, names)
        return _shares(logits), tables

    def __sklearn_is_fitted__(self) -> bool:
        """Return True: the network is trained."""
        return True

    def __sklearn_clone__(self) -> Self:
        """Return the same object: a copy of a model in service is not that model."""
        return self

    def _logits(self, X: Any) -> FloatArray:
        return self.read(X, ())[0]

    def _batches(self, X: Any) -> Iterator[Tensor]:
        size = self.batch_size
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"batch_size must be a whole number above 0, got {size!r}")
        rows = X if hasattr(X, "shape") else np.asarray(X)
        like = next(self.net.parameters(), torch.empty(0))
        # no rows make one empty batch: the network says how wide its answers are
        for start in range(0, max(1, len(rows)), size):
            batch = rows[start : start + size]
            made = batch if self.preprocess is None else self.preprocess(batch)
            tensor = torch.as_tensor(np.asarray(made) if made is batch else made)
            yield tensor.to(like.device, like.dtype)

    def _checked(self, output: Any, n_rows: int) -> Tensor:
        n_classes = len(self.classes_)
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output)
        if shape == (n_rows, 1) and n_classes == 2:
            output = torch.cat([torch.zeros_like(output), output], dim=1)
        elif shape != (n_rows, n_classes):
            raise ValueError(
                f"the network must give logits of shape ({n_rows}, {n_classes}), one "
                f"column for each of classes={list(self.classes_)}, got {shape}"
            )
        logits: Tensor = output.float().cpu()
        return logits


def _shares(logits: FloatArray) -> npt.NDArray[np.float64]:
    return np.asarray(torch.from_numpy(logits).double().softmax(dim=1).numpy())


def _device(net: nn.Module) -> torch.device:
    return next((p.device for p in net.parameters()), torch.device("cpu"))


def _joined(parts: list[Tensor]) -> FloatArray:
    return np.asarray(torch.cat(parts).numpy())
