"""Runtimes of a tower: onnxruntime on CPUs and GPUs, OpenVINO on CPUs."""

from __future__ import annotations

import os
import queue
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from trendloom.errors import ArtifactError
from trendloom.types import Floats, Session
from trendloom.vision.engines import ENGINES, Engine

__all__ = ["OnnxSession", "OpenVinoSession", "start"]

_ERRORS_ONLY = 3  # onnxruntime's severity: 0 verbose, 1 info, 2 warning, 3 error, 4 fatal
_CPU = ENGINES["onnxruntime-cpu-fp32"]
_BATCH = 8  # photos in one call
_SMALL = 32 * 2**20  # bytes of a file whose weights stay in a processor's cache from one photo to the next
_OPTIONS = {  # of onnxruntime's providers; fp32 means fp32
    "CUDAExecutionProvider": {"use_tf32": "0"},
    "TensorrtExecutionProvider": {"trt_fp16_enable": "1"},
}


def start(path: Path, engine: Engine, *, threads: int = 1) -> Session:
    """Returns a graph on an engine.

    Raises:
        ArtifactError: The file or the engine cannot be used.
    """
    if engine.runtime == "openvino":
        return OpenVinoSession(path, engine=engine, threads=threads)
    return OnnxSession(path, engine=engine, threads=threads)


class _TowerSession(ABC):
    """What a session says of itself, and a tower's one output."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self._engine, self._place = engine, f"{path.parent.name}/{path.name}"
        if not path.is_file():
            raise ArtifactError(f"expected the model file {self._place}, found none; install the model again")

    @abstractmethod
    def outputs(self, names: Sequence[str], inputs: dict[str, NDArray[np.generic]]) -> list[Floats]:
        """Returns the named outputs, in order, float32."""

    @property
    def engine(self) -> str:
        """Runtime, device and precision."""
        return self._engine.name

    @property
    def batch(self) -> int:
        """Photos in one call."""
        return _BATCH

    def run(self, inputs: dict[str, NDArray[np.generic]]) -> Floats:
        """Returns the graph's output `embedding`, (n, dim) float32.

        Raises:
            ArtifactError: the graph takes other inputs or gives another output than a tower does.
        """
        (found,) = self.outputs(["embedding"], inputs)
        if found.ndim != 2:
            raise ArtifactError(f"{self._place}: expected rows of float32, got an array of shape {found.shape}")
        return found


class OnnxSession(_TowerSession):
    """One ONNX graph under onnxruntime; workers may share it, each call runs on its caller's thread.

    Threads of the runtime never spin: with `threads=1`, N workers use N cores and no more. On a CPU photos go one by one
    through a small tower: as fast as in a batch, in an eighth of the memory, and a photo alone needs no others beside it.

    Raises:
        ArtifactError: the file is missing or is no graph that the runtime can run, or the device is not there.
    """

    def __init__(self, path: Path, *, engine: Engine = _CPU, threads: int = 1) -> None:
        super().__init__(path, engine)
        self._alone = engine == _CPU and path.stat().st_size <= _SMALL
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        if engine.provider not in onnxruntime.get_available_providers():
            raise ArtifactError(
                f"{engine.name}: expected an onnxruntime with {engine.provider}, the one that is installed has none: "
                f"install onnxruntime-gpu in its place, or choose --engine {_CPU.name}"
            )
        providers: list[Any] = [(engine.provider, _OPTIONS.get(engine.provider, {}))]
        if engine != _CPU:
            providers.append(_CPU.provider)  # for what the device has no kernel of
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as exc:  # the runtime's errors share no base but Exception
            said = str(exc).replace(str(path), path.name)  # the message may reach another machine
            raise ArtifactError(f"{self._place}: expected an ONNX graph, onnxruntime says: {said}") from exc
        if engine.provider not in self._session.get_providers():
            raise ArtifactError(
                f"{engine.name}: expected a device for {engine.provider}, found none: "
                f"check its driver, or choose --engine {_CPU.name}"
            )

    @property
    def batch(self) -> int:
        """Photos in one call."""
        return 1 if self._alone else _BATCH

    def outputs(self, names: Sequence[str], inputs: dict[str, NDArray[np.generic]]) -> list[Floats]:
        """Returns the named outputs, in order, float32.

        Raises:
            ArtifactError: the graph takes other inputs or gives other outputs.
        """
        try:
            found: list[Floats] = self._session.run(list(names), inputs)
        except Exception as exc:  # as above
            raise ArtifactError(
                f"{self._place}: expected a tower's inputs and output, onnxruntime says: {exc}"
            ) from exc
        for one in found:
            if not isinstance(one, np.ndarray) or one.dtype != np.float32:
                raise ArtifactError(f"{self._place}: expected rows of float32, got {type(one).__name__}")
        return found


class OpenVinoSession(_TowerSession):
    """One ONNX graph under OpenVINO on the CPU; workers may share it, each call has a stream of its own.

    The precision is set, never left to the processor: on one with bf16 OpenVINO would choose that by itself.

    Raises:
        ArtifactError: OpenVINO is not installed, or the file is no graph that it can run.
    """

    def __init__(self, path: Path, *, engine: Engine, threads: int = 1) -> None:
        try:
            import openvino  # noqa: PLC0415  an extra
        except ImportError as exc:
            raise ArtifactError(f"{engine.name}: expected OpenVINO: pip install 'trendloom[openvino]'") from exc
        super().__init__(path, engine)
        streams = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        wanted = {
            "INFERENCE_PRECISION_HINT": "bf16" if engine.precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": streams * threads,
            "NUM_STREAMS": streams,
            "ENABLE_CPU_PINNING": False,
        }
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()  # more calls than streams would block each other
        try:
            model = openvino.Core().compile_model(path, "CPU", wanted)
            for _ in range(streams):
                self._idle.put(model.create_infer_request())
        except Exception as exc:  # the runtime raises bare RuntimeError and more
            said = str(exc).replace(str(path), path.name)
            raise ArtifactError(f"{self._place}: expected an ONNX graph, OpenVINO says: {said}") from exc

    def outputs(self, names: Sequence[str], inputs: dict[str, NDArray[np.generic]]) -> list[Floats]:
        """Returns the named outputs, in order, float32.

        Raises:
            ArtifactError: the graph takes other inputs or gives other outputs.
        """
        request = self._idle.get()
        try:
            request.infer(inputs, share_inputs=True)
            return [np.array(request.get_tensor(name).data, dtype=np.float32) for name in names]
        except Exception as exc:  # as above
            raise ArtifactError(f"{self._place}: expected a tower's inputs and output, OpenVINO says: {exc}") from exc
        finally:
            self._idle.put(request)
