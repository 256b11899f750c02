"""Runtimes of a tower: onnxruntime on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from trendloom.errors import ArtifactError
from trendloom.types import Floats

__all__ = ["OnnxSession"]

_ERRORS_ONLY = 3  # onnxruntime's severity: 0 verbose, 1 info, 2 warning, 3 error, 4 fatal


class OnnxSession:
    """One ONNX graph on the CPU in float32; workers may share it, each call runs on its caller's thread.

    Threads of the runtime never spin: with `threads=1`, N workers use N cores and no more.

    Raises:
        ArtifactError: the file is missing or is no graph that the runtime can run.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        self._place = f"{path.parent.name}/{path.name}"
        if not path.is_file():
            raise ArtifactError(f"expected the model file {self._place}, found none; install the model again")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as exc:  # the runtime's errors share no base but Exception
            said = str(exc).replace(str(path), path.name)  # the message may reach another machine
            raise ArtifactError(f"{self._place}: expected an ONNX graph, onnxruntime says: {said}") from exc

    @property
    def engine(self) -> str:
        """Runtime, provider and precision."""
        return "onnxruntime-cpu-fp32"

    def run(self, inputs: dict[str, NDArray[np.generic]]) -> Floats:
        """Returns the graph's output `embedding`, (n, dim) float32.

        Raises:
            ArtifactError: the graph takes other inputs or gives another output than a tower does.
        """
        (found,) = self.outputs(["embedding"], inputs)
        if found.ndim != 2:
            raise ArtifactError(f"{self._place}: expected rows of float32, got an array of shape {found.shape}")
        return found

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
