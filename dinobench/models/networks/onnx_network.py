"""An ONNX program through onnxruntime as a backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dinobench.models.networks.backbone import Backbone, Features
from dinobench.models.networks.tokens import square_grid
from dinobench.runtime.errors import InputError


class OnnxNetwork(Backbone):
    """A program from images (B, 3, H, W) to a pooled output (B, D), tokens (B, N, D) or a map (B, D, h, w).

    Attributes:
        side: of the square input in pixels, 0 where the program takes any.
        pooled, tokens: names of the outputs that are taken, "" where there is none.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.session = _session(path)
        self.input = _only_input(self.session)
        _, channels, height, width = self.input.shape
        if isinstance(channels, int) and channels != 3:
            raise InputError(f"its input has {channels} channels; export a network of RGB images (B, 3, H, W)")
        if height != width and isinstance(height, int) and isinstance(width, int):
            raise InputError(f"its input is {height} x {width}; export the network for square images")
        self.side = height if isinstance(height, int) else 0
        outputs = [output for output in self.session.get_outputs() if output.type == "tensor(float)"]
        self.pooled = next((output.name for output in outputs if len(output.shape) == 2), "")
        self.tokens = next((output.name for output in outputs if len(output.shape) in (3, 4)), "")
        if not (self.pooled or self.tokens):
            raise InputError("it has no float32 output of shape (B, D), (B, N, D) or (B, D, h, w); export one of them")
        self._measure()

    def intermediate_layers(self, images: Tensor, n: int = 1) -> tuple[Features, ...]:
        """See `Backbone`; a program has one level."""
        if n != 1:
            raise InputError(f"an ONNX program has one level of features, not {n}; ask for the last")
        found = {name: torch.cat(parts).to(images.device) for name, parts in self._run(images).items()}
        grid, prefix = _grid(found[self.tokens]) if self.tokens else (None, None)
        pooled = found.get(self.pooled)
        if pooled is None:
            assert grid is not None
            pooled = prefix[:, 0] if prefix is not None else grid.mean(dim=(1, 2))
        registers = prefix[:, 1:] if prefix is not None and prefix.shape[1] > 1 else None
        return (Features(pooled, grid if grid is not None else pooled[:, None, None], registers),)

    def attention(self, images: Tensor) -> Tensor:
        """See `Backbone`; a program shows none."""
        raise InputError("an ONNX program shows no attention; give the checkpoint that it was exported from")

    def _run(self, images: Tensor) -> dict[str, list[Tensor]]:
        """The outputs of every piece; a program of a fixed batch gets the last piece filled up with zeros."""
        if self.side and images.shape[-2:] != (self.side, self.side):
            size = f"{images.shape[-2]} x {images.shape[-1]}"
            raise InputError(f"the ONNX program takes {self.side} x {self.side} pixels, not {size}; export it for both")
        names = [name for name in (self.pooled, self.tokens) if name]
        fixed = self.input.shape[0] if isinstance(self.input.shape[0], int) else len(images)
        found: dict[str, list[Tensor]] = {name: [] for name in names}
        pixels = images.detach().float().cpu().numpy()
        for start in range(0, len(pixels), max(fixed, 1)):
            part = pixels[start : start + fixed]
            filled = np.concatenate([part, np.zeros((fixed - len(part), *part.shape[1:]), part.dtype)])
            for name, result in zip(names, self.session.run(names, {self.input.name: filled}), strict=True):
                found[name].append(torch.from_numpy(result[: len(part)]))
        return found

    def _measure(self) -> None:
        """Width and cell, from one black image."""
        side = self.side or 224
        self.depth, self.patch_size, self.dim = 1, side, 1
        try:
            features = self(torch.zeros(1, 3, side, side))
        except InputError:
            raise
        except Exception as error:  # whatever onnxruntime raises where a program does not run
            raise InputError(f"it does not run on {side} pixels ({_line(error)}); export it again") from error
        self.dim = features.cls.shape[-1]
        self.patch_size = side // features.patches.shape[1]


def _session(path: Path) -> Any:
    """A session on the CPU, with torch's number of threads.

    Raises:
        InputError: onnxruntime is not installed, or refuses the file.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError("an ONNX model needs onnxruntime; pip install 'dinobench[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own kinds, one for each way in which a file can be wrong
        raise InputError(f"onnxruntime cannot load it ({_line(error)}); export it again") from error


def _only_input(session: Any) -> Any:
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type != "tensor(float)":
        shapes = ", ".join(f"{each.name} {each.shape} {each.type}" for each in inputs)
        raise InputError(f"its input is {shapes}; export a network of one float32 input (B, 3, H, W)")
    return inputs[0]


def _grid(tokens: Tensor) -> tuple[Tensor, Tensor | None]:
    """Patches (B, h, w, D), and the tokens before them: those beyond the largest square number."""
    if tokens.ndim == 4:
        return tokens.permute(0, 2, 3, 1), None
    prefix, grid = square_grid(tokens)
    return grid, prefix if prefix.shape[1] else None


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
