"""ONNX files: nothing is read outside their folder, and the bytes are the model's identity."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dinobench.models.loading.choices import Choice
from dinobench.models.loading.loaded import LoadedBackbone
from dinobench.models.loading.preprocessing import choose_preprocessing
from dinobench.models.loading.settings import ModelSettings
from dinobench.models.networks.backbone import Preprocessing
from dinobench.models.networks.onnx_network import OnnxNetwork
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import sha256_file
from dinobench.runtime.names import safe_name

ACTING = ("image_size", "mean", "std", "interpolation", "resize_size")


def is_onnx(path: Path) -> bool:
    """Whether a file is called .onnx."""
    return path.suffix.lower() == ".onnx"


def from_onnx(spec: str, path: Path, settings: ModelSettings) -> LoadedBackbone:
    """Load an ONNX program.

    Raises:
        InputError: a package is not installed, the file is damaged, its numbers lie outside its folder, or its inputs
            and outputs are not those of `OnnxNetwork`; a setting that does nothing to it.
    """
    try:
        _refuse_idle(settings)
        beside = _external_files(path)
        network = OnnxNetwork(path)
        size = settings.image_size or network.side or 224
        if network.side and size != network.side:
            raise InputError(f"it takes {network.side} pixels, not image_size={size}; leave image_size out")
        chosen = choose_preprocessing(Preprocessing(), "by convention of ImageNet", settings, size=size)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return LoadedBackbone(
        backbone=network.eval(),
        name=re.sub(r"[^\w.+-]+", "_", path.stem) or "model",
        spec=spec,
        family="onnx",
        architecture="onnx",
        preprocessing=chosen[0],
        source=str(path),
        choices=(_outputs(network), *chosen[1]),
        file_sha256=_identity([path, *beside]),
    )


def _outputs(network: OnnxNetwork) -> Choice:
    parts = [f"feature {network.pooled or f'the first token or the mean of {network.tokens}'}"]
    parts += [f"patches {network.tokens}"] if network.tokens else []
    return Choice("outputs", ", ".join(parts), "by their shapes")


def _refuse_idle(settings: ModelSettings) -> None:
    for name, value in vars(settings).items():
        if name not in ACTING and value != getattr(ModelSettings(), name):
            raise InputError(f"{name} = {value!r} does nothing to an ONNX program; leave it out")


def _identity(paths: list[Path]) -> str:
    """The sha256 of the file's bytes; with numbers in other files, of all their sha256 in order."""
    digests = [sha256_file(path) for path in paths]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _external_files(path: Path) -> list[Path]:
    """The files beside an ONNX file that hold its numbers, each a plain name in the same folder.

    Raises:
        InputError: the onnx package is not installed, the file is damaged, or a name leads elsewhere.
    """
    try:
        import onnx
    except ImportError as error:
        raise InputError("an ONNX model needs onnx and onnxruntime; pip install 'dinobench[onnx]'") from error
    try:
        program = onnx.load(path, load_external_data=False)
    except OSError:
        raise
    except Exception as error:  # protobuf's own kinds
        raise InputError("it is not an ONNX program, or damaged; export it again") from error
    graphs = [program.graph, *program.functions]
    tensors = (tensor for graph in graphs for tensor in _tensors(graph))
    names = {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"}
    found = [path.parent / safe_name(name, "external data") for name in sorted(names)]
    for file in found:
        if not file.is_file() or file.resolve().parent != path.parent.resolve():
            raise InputError(f"its numbers should lie in {file.name} beside it, which is not there; copy both")
    return found


def _tensors(graph: Any) -> Iterator[Any]:
    """Every stored tensor of a graph or function, those inside its nodes included."""
    yield from getattr(graph, "initializer", ())
    for sparse in getattr(graph, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)
