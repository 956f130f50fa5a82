"""Networks as models: PyTorch trains them, they are exported once, and only ONNX Runtime runs them."""

import json
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import asdict, fields, replace
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from power_nowcast.contracts import FeatureBlock, Floats, Progress
from power_nowcast.errors import ConfigurationError, ModelError, install_remedy
from power_nowcast.models.base import FitReport, Model
from power_nowcast.models.examples import Examples
from power_nowcast.models.files import Folder, finite
from power_nowcast.models.linear import Linear
from power_nowcast.models.networks.encoding import Encoder
from power_nowcast.models.networks.graphs import check_graph

if TYPE_CHECKING:
    from power_nowcast.models.networks.config import Epoch, Rows
    from power_nowcast.models.networks.training import Trained

TRAINED_WITH = ("torch", "onnx", "onnxscript", "safetensors")
"""Packages of the extra `neural`; serving needs none of them."""
FILE = "network.onnx"
HEAD = "network.json"
SMALLEST_UNIT = 1e-3
"""Minimum unit of ramps, to avoid a division by zero for a constant series."""


type Inputs = NDArray[np.float32]


class NeuralModel(Model):
    """A network over all series, knots and quantiles at once; a subclass names its module in `networks`.

    Serving needs neither PyTorch nor its memory. It also answers late series, as features describe the origin's time.
    """

    joint: ClassVar[bool] = True
    libraries = ("onnxruntime",)
    threads: int | None = None
    """Threads of training; None leaves them to PyTorch."""

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
        """A model with the options that are not None; training checks their names."""
        return cls(series, knots, options)

    @classmethod
    def missing(cls) -> tuple[str, ...]:
        return tuple(name for name in TRAINED_WITH if find_spec(name) is None)

    def fit(
        self,
        train: Examples,
        valid: Examples,
        *,
        executor: Executor | None = None,  # noqa: ARG002 - one network, its own threads
        progress: Progress = lambda _: None,
    ) -> tuple[FitReport, Floats]:
        network, training = self._part(self.kind), self._part("training")
        if self.threads:
            training.limit_threads(self.threads)
        self.options = self.configuration
        config = network.Config(**self.options)
        self.encoder = encoder = Encoder.of(train.block, config.without)
        places = encoder.places(self.knots)
        first, second = self._rows(train), self._rows(valid)
        start = Linear.of(*first)
        # The residual of the linear fit: in this unit every series and knot has the same weight, for any size of ramps.
        left = start.errors(*first)
        self.unit = np.maximum(left, SMALLEST_UNIT).reshape(self.unit.shape)
        curves: dict[str, list[float]] = {"held out/valid": []}

        def learn(
            part: str, rows: "Rows", held_out: "Rows | None", start: Linear, epochs: int, number: int = 0
        ) -> "Trained":
            part += f" {number + 1}" if number else ""
            curves[f"{part}/train"] = []

            def told(epoch: "Epoch") -> None:
                curves[f"{part}/train"].append(epoch.loss)
                if held_out is not None:
                    curves[f"{part}/valid"].append(epoch.held_out)
                told_of = f", held out {epoch.held_out:.4f}" if held_out is not None else ""
                left = f", {epoch.seconds_left:.0f} s left" if epoch.number < epochs else ""
                progress(f"{self.kind}, {part}: epoch {epoch.number} of {epochs}, loss {epoch.loss:.4f}{told_of}{left}")

            begin = start.rescaled(self.unit.ravel())
            done: Trained = training.train(
                lambda: network.Network(config, begin, places),
                replace(config, seed=config.seed + number),
                rows,
                held_out,
                told,
                epochs=epochs,
                checkpoint=self.checkpoints and self.checkpoints / f"{part}.safetensors",
            )
            return done

        judged = learn("held out", self._learnt(*first), self._learnt(*second), start, config.epochs)
        ramps = training.answer(judged.network, encoder.encode(valid.block))
        served = [judged]
        if config.refit:
            # The served network learns from all rows, for as many epochs as the network that was evaluated.
            x, y = (np.concatenate(parts) for parts in zip(first, second, strict=True))
            rows, start = self._learnt(x, y), Linear.of(x, y)
            served = [learn("all data", rows, None, start, judged.epochs, n) for n in range(config.networks)]
        self.graph = training.export([one.network for one in served], encoder.inputs)
        for name in ("session", "_input"):
            self.__dict__.pop(name, None)
        return FitReport(curves, {"inputs": encoder.inputs, "epochs": judged.epochs}), self._in_mw(ramps, valid.block)

    def _rows(self, known: Examples) -> tuple[Inputs, Inputs]:
        """Inputs and scaled ramps (row, series * knot), without the ramps of late series and without issue times that
        have no ramp.
        """
        fresh = np.where((known.block.age_minutes == 0)[..., None], known.scaled_ramps, np.nan)
        some = np.isfinite(fresh).any(axis=(1, 2))
        ramps = fresh[some].reshape(int(some.sum()), -1).astype(np.float32)
        return self.trained.encode(known.block.take(some)), ramps

    def _learnt(self, x: Inputs, ramps: Inputs) -> "Rows":
        """Rows of inputs with scaled ramps (row, series * knot), in units and with shape (row, series, knot)."""
        in_units = (ramps.reshape(-1, *self.unit.shape) / self.unit).astype(np.float32)
        rows: Rows = self._part("config").Rows(x, in_units)
        return rows

    def predict(self, block: FeatureBlock) -> NDArray[np.float64]:
        encoder = self.trained
        whole = self._in_order(block)
        return self._in_mw(self.run(encoder.encode(whole)), whole)[
            :, [self.series.index(name) for name in block.series]
        ]

    def run(self, inputs: Inputs) -> NDArray[np.float32]:
        """Scaled ramps (row, series, knot, quantile) in the unit of their series and knot, from inputs (row, input)."""
        ramps: NDArray[np.float32] = self.session.run(None, {self._input: inputs})[0]
        return ramps

    def _in_mw(self, ramps: NDArray[np.floating[Any]], block: FeatureBlock) -> NDArray[np.float64]:
        unit = self.unit * block.scale_mw[..., None]
        return np.asarray(block.origin_mw[..., None, None] + ramps * unit[..., None], np.float64)

    def _in_order(self, block: FeatureBlock) -> FeatureBlock:
        """The block with all series of the model in its order; missing series have no origin."""
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
        """The ONNX Runtime session of the graph, with one thread."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(self.graph, options, providers=["CPUExecutionProvider"])

    @cached_property
    def _input(self) -> str:
        """The name of the graph's input."""
        return str(self.session.get_inputs()[0].name)

    @property
    def trained(self) -> Encoder:
        """The encoder of the trained network.

        Raises:
            ModelError: the network is not trained.
        """
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
                remedy=f"{install_remedy('neural')} Trained models serve without it.",
                kind=self.kind,
                package=error.name,
            ) from error

    def _options(self, config: Any) -> dict[str, Any]:
        known = {field.name for field in fields(config)}
        return {name: value for name, value in self.options.items() if name in known and value is not None}

    def save(self, folder: Path) -> None:
        head = {"options": self.options, "unit": self.unit.tolist(), "encoder": self.trained.to_json()}
        (folder / HEAD).write_text(json.dumps(head))
        (folder / FILE).write_bytes(self.graph)

    @classmethod
    def load(cls, folder: Folder, series: tuple[str, ...], knots: tuple[int, ...]) -> Self:
        head = json.loads((folder / HEAD).read_text())
        options = {name: tuple(value) if isinstance(value, list) else value for name, value in head["options"].items()}
        model = cls(series, knots, options)
        model.encoder = Encoder.from_json(head["encoder"])
        model.unit = finite(head["unit"], (len(series), len(knots)))
        model.graph = (folder / FILE).read_bytes()
        check_graph(model.graph)
        return model

    @property
    def params(self) -> dict[str, Any]:
        return {"model": self.kind, **self.options}

    @property
    def configuration(self) -> dict[str, Any]:
        """Every option with its value; this needs PyTorch, whose modules have the defaults."""
        config = self._part(self.kind).Config
        return asdict(config(**self._options(config)))


class Mlp(NeuralModel):
    """A small multi-layer perceptron: `networks/mlp.py`."""

    kind: ClassVar[str] = "mlp"


class MlpGlobal(NeuralModel):
    """A joint perceptron whose last layers all series share: `networks/mlp_global.py`."""

    kind: ClassVar[str] = "mlp_global"


class Lstm(NeuralModel):
    """An LSTM over each series' last ramps: `networks/lstm.py`."""

    kind: ClassVar[str] = "lstm"


class Tft(NeuralModel):
    """A small temporal fusion transformer: `networks/tft.py`."""

    kind: ClassVar[str] = "tft"
