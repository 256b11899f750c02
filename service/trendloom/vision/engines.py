"""Which runtime, device and precision the image tower runs on: what is here, what may run, what is chosen."""

from __future__ import annotations

import functools
import importlib.util
import platform
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from trendloom.errors import ConfigError

__all__ = ["AUTO", "ENGINES", "Engine", "Machine", "candidates", "engine_of"]

AUTO = "auto"
_CPU_INFO = Path("/proc/cpuinfo")
_TOLD = ("amx_bf16", "amx_int8", "avx512_bf16", "avx512_vnni", "avx_vnni", "avx512f", "avx2", "asimd", "bf16", "i8mm")


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A way to run a tower; its name goes with every vector.

    Attributes:
        name: Runtime, device and precision.
        runtime: `onnxruntime` or `openvino`.
        precision: `fp32`, `fp16` or `bf16`: all but the first need a passed gate.
        provider: Of onnxruntime; empty for openvino.
        cpu: Features of the processor of which one makes it fast; without any it is not chosen by itself.
        by_itself: Whether it is chosen where it can run.
    """

    name: str
    runtime: str
    precision: str
    provider: str = ""
    cpu: frozenset[str] = frozenset()
    by_itself: bool = True


ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (  # fastest first
        Engine(
            name="onnxruntime-tensorrt-fp16",
            runtime="onnxruntime",
            precision="fp16",
            provider="TensorrtExecutionProvider",
        ),
        Engine(name="onnxruntime-cuda-fp32", runtime="onnxruntime", precision="fp32", provider="CUDAExecutionProvider"),
        Engine(
            name="openvino-cpu-bf16",
            runtime="openvino",
            precision="bf16",
            cpu=frozenset({"amx_bf16", "avx512_bf16"}),
        ),
        Engine(name="onnxruntime-cpu-fp32", runtime="onnxruntime", precision="fp32", provider="CPUExecutionProvider"),
        Engine(name="openvino-cpu-fp32", runtime="openvino", precision="fp32", by_itself=False),
    )
}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a machine offers.

    Attributes:
        cpu: Features of the processor that matter here.
        providers: Of the onnxruntime that is installed.
        openvino: Whether it is installed.
    """

    cpu: frozenset[str] = frozenset()
    providers: Collection[str] = field(default=("CPUExecutionProvider",))
    openvino: bool = False

    @classmethod
    @functools.cache
    def here(cls) -> Machine:
        """Returns this machine; imports onnxruntime."""
        import onnxruntime  # noqa: PLC0415  not before a tower is needed

        text = _CPU_INFO.read_text(encoding="utf-8", errors="replace") if _CPU_INFO.is_file() else ""
        return cls(
            cpu=features(text) | ({"arm"} if platform.machine().lower() in ("arm64", "aarch64") else set()),
            providers=tuple(onnxruntime.get_available_providers()),
            openvino=importlib.util.find_spec("openvino") is not None,
        )

    @property
    def title(self) -> str:
        """Returns the processor's architecture and what it has."""
        return ", ".join([platform.machine(), *sorted(self.cpu)])

    def words(self, passed: Collection[str]) -> list[str]:
        """Returns a line for the processor, and one for each engine: whether it runs here, and what is missing."""
        chosen = candidates(self, passed)[0]
        lines = [f"processor: {self.title}"]
        for engine in ENGINES.values():
            if not self.runs(engine):
                why = "pip install 'trendloom[openvino]'" if engine.runtime == "openvino" else "needs onnxruntime-gpu"
                said = f"not installed: {why}"
            elif engine == chosen:
                said = "chosen"
            elif engine.precision != "fp32" and engine.name not in passed:
                said = f"refused: {engine.precision} has no passed gate"
            else:
                said = "can be chosen" + ("" if self.fast(engine) else f", slower here: {engine.precision} is emulated")
            lines.append(f"engine {engine.name}: {said}")
        return lines

    def runs(self, engine: Engine) -> bool:
        """Returns whether an engine can be started."""
        return self.openvino if engine.runtime == "openvino" else engine.provider in self.providers

    def fast(self, engine: Engine) -> bool:
        """Returns whether the processor has what an engine is made for."""
        return not engine.cpu or bool(engine.cpu & self.cpu)


def features(cpuinfo: str) -> frozenset[str]:
    """Returns the features that Linux lists for the first processor, of those that matter here."""
    for line in cpuinfo.splitlines():
        title, _, flags = line.partition(":")
        if title.strip() in ("flags", "Features"):
            return frozenset(flags.split()) & set(_TOLD)
    return frozenset()


def engine_of(name: str) -> Engine:
    """Returns the engine of a name.

    Raises:
        ConfigError: There is none.
    """
    if name not in ENGINES:
        raise ConfigError(f"engine: expected {AUTO}, {', '.join(ENGINES)}; got {name!r}")
    return ENGINES[name]


def candidates(machine: Machine, passed: Collection[str]) -> list[Engine]:
    """Returns the engines that may be chosen here, best first; the last one always runs.

    A precision below fp32 counts only where its gate is among `passed`, by the engine's name.
    """
    return [
        engine
        for engine in ENGINES.values()
        if engine.by_itself
        and machine.runs(engine)
        and machine.fast(engine)
        and (engine.precision == "fp32" or engine.name in passed)
    ]
