"""Networks as models: trained with PyTorch, exported once, and answered by ONNX Runtime alone."""

import json
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import asdict, fields, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from power_nowcast.contracts import FeatureBlock, Floats
from power_nowcast.errors import ConfigurationError, ModelError
from power_nowcast.models.base import Examples, FitReport, Model, Progress
from power_nowcast.models.encoding import Encoder
from power_nowcast.models.linear import Linear

if TYPE_CHECKING:
    from power_nowcast.models.networks.training import Rows

FILE = "network.onnx"
HEAD = "network.json"
SMALLEST_UNIT = 1e-3
"""Of the unit of ramps, so that a series that never moves divides by no zero."""


type Inputs = NDArray[np.float32]


class NeuralModel(Model):
    """A network over all series, knots and quantiles at once; a subclass names its module in `networks`.

    Serving needs neither PyTorch nor its memory. Late series are answered, too: features are those of the origin.
    """

    joint: ClassVar[bool] = True

    def __init__(
        self, series: tuple[str, ...], knots: tuple[int, ...], options: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(series, knots)
        self.options = dict(options or {})
        self.encoder: Encoder | None = None
        self.unit: Floats = np.ones((len(series), len(knots)))
        self.graph = b""

    @classmethod
    def of(cls, series: tuple[str, ...], knots: tuple[int, ...], **options: Any) -> Self:
        """A model with those options that are not None; which it knows shows when it is trained."""
        return cls(series, knots, options)

    def fit(
        self,
        train: Examples,
        valid: Examples,
        *,
        executor: Executor | None = None,  # noqa: ARG002 - one network, its own threads
        progress: Progress = lambda _: None,
    ) -> tuple[FitReport, Floats]:
        network, training = self._part(self.kind), self._part("training")
        self.options = self.configuration
        config = network.Config(**self.options)
        self.encoder = encoder = Encoder.of(train.block)
        first, second = self._rows(train), self._rows(valid)
        start = Linear.of(*first)
        # What a straight line leaves over: in this unit every series and knot pulls alike, however far it ramps.
        left = start.errors(*first)
        self.unit = np.maximum(left, SMALLEST_UNIT).reshape(self.unit.shape)
        curves: dict[str, list[float]] = {"held out/train": [], "held out/valid": [], "all data/train": []}

        def learn(part: str, x: Inputs, ramps: Inputs, start: Linear, held_out: "Rows | None") -> Any:
            def told(epoch: int, loss: float, held_loss: float) -> None:
                curves[f"{part}/train"].append(loss)
                if held_out is not None:
                    curves[f"{part}/valid"].append(held_loss)
                told_of = f", held out {held_loss:.4f}" if held_out is not None else ""
                progress(f"{self.kind}, {part}: epoch {epoch} of {config.epochs}, loss {loss:.4f}{told_of}")

            begin = start.rescaled(self.unit.ravel())
            return training.train(
                lambda: network.Network(config, begin, len(self.series), len(self.knots)),
                config,
                training.Rows(x, self._in_units(ramps)),
                held_out,
                told,
            )

        judged = learn("held out", *first, start, training.Rows(second[0], self._in_units(second[1])))
        ramps = training.answer(judged, encoder.encode(valid.block))
        served = judged
        if config.refit:
            # What is served has learnt from all of it, as long as the network that was judged.
            x, y = (np.concatenate(parts) for parts in zip(first, second, strict=True))
            served = learn("all data", x, y, Linear.of(x, y), None)
        self.graph = training.export(served, encoder.inputs)
        self.__dict__.pop("session", None)
        return FitReport(curves, {"inputs": encoder.inputs}), self._in_mw(ramps, valid.block)

    def _rows(self, known: Examples) -> tuple[Inputs, Inputs]:
        """Inputs and scaled ramps (row, series * knot); of late series nothing is learnt, of issue times without any
        nothing.
        """
        fresh = np.where((known.block.age_minutes == 0)[..., None], known.scaled_ramps, np.nan)
        some = np.isfinite(fresh).any(axis=(1, 2))
        ramps = fresh[some].reshape(int(some.sum()), -1).astype(np.float32)
        return self._trained.encode(known.block.take(some)), ramps

    def _in_units(self, ramps: Inputs) -> Inputs:
        """Scaled ramps (row, series * knot) in units, shape (row, series, knot)."""
        return (ramps.reshape(-1, *self.unit.shape) / self.unit).astype(np.float32)

    def predict(self, block: FeatureBlock) -> NDArray[np.float64]:
        encoder = self._trained
        whole = self._in_order(block)
        x = encoder.encode(whole).astype(np.float64)
        ramps = self.session.run(None, {self.session.get_inputs()[0].name: x})[0]
        return self._in_mw(ramps, whole)[:, [self.series.index(name) for name in block.series]]

    def _in_mw(self, ramps: NDArray[np.float64], block: FeatureBlock) -> NDArray[np.float64]:
        unit = self.unit * block.scale_mw[..., None]
        return np.asarray(block.origin_mw[..., None, None] + ramps * unit[..., None], np.float64)

    def _in_order(self, block: FeatureBlock) -> FeatureBlock:
        """The block with all series of the model in its order; those that are not there have no origin."""
        if block.series == self.series:
            return block
        places = [self.series.index(name) for name in block.series]

        def spread(values: NDArray[Any], fill: float) -> NDArray[Any]:
            out = np.full((len(values), len(self.series), *values.shape[2:]), fill, values.dtype)
            out[:, places] = values
            return out

        return replace(
            block,
            series=self.series,
            x=spread(block.x, np.nan),
            origin_mw=spread(block.origin_mw, np.nan),
            age_minutes=spread(block.age_minutes, np.nan),
            scale_mw=spread(block.scale_mw, 1.0),
        )

    @cached_property
    def session(self) -> Any:
        """The graph at work, one thread."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(self.graph, options, providers=["CPUExecutionProvider"])

    @property
    def _trained(self) -> Encoder:
        if self.encoder is None:
            raise ModelError("The network is not trained.", remedy="Train it: nowcast train.", kind=self.kind)
        return self.encoder

    def _part(self, name: str) -> Any:
        """A module that needs PyTorch."""
        try:
            return import_module(f"power_nowcast.models.networks.{name}")
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("power_nowcast"):
                raise
            raise ConfigurationError(
                f"The model {self.kind} is trained with PyTorch; {error.name} is not installed.",
                remedy="Install it: pip install 'power-nowcast[neural]'. What is trained already serves without it.",
                kind=self.kind,
                package=error.name,
            ) from error

    def _options(self, config: Any) -> dict[str, Any]:
        known = {field.name for field in fields(config)}
        return {name: value for name, value in self.options.items() if name in known and value is not None}

    def save(self, folder: Path) -> None:
        head = {"options": self.options, "unit": self.unit.tolist(), "encoder": self._trained.to_json()}
        (folder / HEAD).write_text(json.dumps(head))
        (folder / FILE).write_bytes(self.graph)

    @classmethod
    def load(cls, folder: Path, series: tuple[str, ...], knots: tuple[int, ...]) -> Self:
        head = json.loads((folder / HEAD).read_text())
        model = cls(series, knots, head["options"])
        model.encoder, model.unit = Encoder.from_json(head["encoder"]), np.array(head["unit"], np.float64)
        model.graph = (folder / FILE).read_bytes()
        return model

    @property
    def params(self) -> dict[str, Any]:
        return {"model": self.kind, **self.options}

    @property
    def configuration(self) -> dict[str, Any]:
        """Every option with its value; the defaults are read where PyTorch is."""
        config = self._part(self.kind).Config
        return asdict(config(**self._options(config)))


class Mlp(NeuralModel):
    """A small multi-layer perceptron: `networks/mlp.py`."""

    kind: ClassVar[str] = "mlp"
