"""Loading a ViT-B checkpoint: seconds and memory against reading its file.

Every figure is the median of fresh processes, so that nothing is already mapped: `read` is the file read into memory
(which is what a loader that copies must do at least), `torch.load` the plain loader plus a strict load_state_dict into
a fresh timm ViT-B, `ours` load_backbone, with every tensor touched, as a forward pass would.

    python benchmarks/loading.py [--repeats 5]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from dinobench.models.networks.build import build_backbone

PROGRAMS = {
    "read": """
start()
data = path.read_bytes()
""",
    "torch.load": """
import timm, torch
start()
state = torch.load(path, map_location="cpu", weights_only=True)
model = timm.create_model("vit_base_patch16_224", num_classes=0)
model.load_state_dict(state["teacher"], strict=True)
touched = sum(float(p.sum()) for p in model.parameters())
""",
    "ours": """
import torch
from dinobench.models.loading.spec import load_backbone
start()
loaded = load_backbone(str(path))
touched = sum(float(p.sum()) for p in loaded.backbone.parameters())
""",
}
FRAME = """
import json, sys, time
from pathlib import Path
from dinobench.runtime.clock import resident_bytes
path = Path(sys.argv[1])
def start():
    global began, before
    before, began = resident_bytes(), time.perf_counter()
{program}
seconds = time.perf_counter() - began
print(json.dumps([seconds, (resident_bytes() - before) / 2**20]))
"""


def measure(program: str, path: Path) -> tuple[float, float]:
    """Seconds and MiB of one fresh process."""
    code = FRAME.replace("{program}", PROGRAMS[program])
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True)
    seconds, mebibytes = json.loads(done.stdout.splitlines()[-1])
    return seconds, mebibytes


def main() -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        state = build_backbone("vit_base/16").state_dict()
        torch.save({"teacher": state}, Path(folder) / "vit_base.pth")
        save_file(state, Path(folder) / "vit_base.safetensors")
        for path in sorted(Path(folder).iterdir()):
            size = path.stat().st_size / 2**20
            programs = [name for name in PROGRAMS if name != "torch.load" or path.suffix == ".pth"]
            runs: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
            for _ in range(repeats):
                for name in programs:  # interleaved, so that a stall of the machine hits all alike
                    runs[name].append(measure(name, path))
            print(f"{path.name}, {size:.0f} MiB, medians of {repeats}")
            read = statistics.median(seconds for seconds, _ in runs["read"])
            for name, values in runs.items():
                seconds = statistics.median(value[0] for value in values)
                memory = statistics.median(value[1] for value in values)
                ratios = f"{seconds / read:5.2f}x read  {memory / size:5.2f}x its size in memory"
                print(f"  {name:<12} {seconds:6.3f} s  {ratios}")


if __name__ == "__main__":
    main()
