import subprocess
import sys

from click.testing import CliRunner

from dinobench.cards import load_tasks
from dinobench.cli.main import main
from dinobench.runtime.settings import plain, toml_text


def test_the_list_names_every_task_with_its_protocols() -> None:
    lines = CliRunner().invoke(main, ["tasks"]).output.splitlines()
    assert [line.split()[0] for line in lines] == list(load_tasks())
    endings = {line.split()[0]: line.partition("  [")[2] for line in lines}
    assert endings["knn"] == "paper (Table 2, Table 10), released (DINOv2)]"
    assert endings["knn-1pct"] == "random, paper (Table 10)]", "the default comes first"
    assert endings["roxford"].startswith("official, dino (Table 3)")


def test_show_prints_every_setting_of_every_protocol() -> None:
    done = CliRunner().invoke(main, ["tasks", "show", "knn"])
    assert done.exit_code == 0
    for protocol in load_tasks()["knn"].protocols.values():
        assert f"knn@{protocol.name} version {protocol.version}" in done.output
        assert all(f"{key} = {toml_text(value)}" in done.output for key, value in plain(protocol.settings).items())


def test_an_unknown_task_gets_a_suggestion() -> None:
    done = CliRunner().invoke(main, ["tasks", "show", "kn"])
    assert (done.exit_code, "did you mean knn" in done.output) == (2, True)


def test_settings_are_printed_with_type_range_default_and_help() -> None:
    shown = CliRunner().invoke(main, ["tasks", "show", "knn"]).output
    line = next(line for line in shown.splitlines() if line.startswith("  temperatures = "))
    assert "of the votes" in line and "(list of numbers, above 0; default [0.07])" in line
    helped = CliRunner().invoke(main, ["eval", "--task", "davis", "--help-settings"]).output
    assert "settings of davis@paper" in helped and "settings of the run" in helped and "settings of the model" in helped
    assert "default true; does not move the figure)" in helped


TORCH_FREE = (
    ["--help"],
    ["tasks"],
    ["tasks", "show", "knn"],
    ["eval", "--task", "knn", "--set", "unknwn=1"],
    ["eval", "--task", "all", "--help-settings"],
    ["eval", "--task", "davis", "--model", "dino_vits16", "--data", "mini", "--dry-run"],
    ["eval", "--task", "knn", "--model", "absent.pth", "--data", "absent/folder", "--dry-run"],
    ["eval", "--task", "knn", "--model", "random:vit_mini/4", "--data", "mini", "--dry-run"],
    ["eval", "--task", "knn", "--model", "random:vit_mini/4", "--data", "absent/folder"],
    ["eval", "--task", "knn", "--model", "vit_b17"],
    ["eval", "--task", "knn", "--model", "timm:vit_tinny_patch16_224", "--data", "mini"],
    ["eval", "--task", "knn", "--model", "torchvision:resnet51", "--data", "mini"],
    ["eval", "--task", "knn", "--model", "random:vit_smal/16", "--data", "mini"],
    ["eval", "--task", "knn", "--model", "pixels", "--data", "mini", "--device", "cdua"],
    ["eval", "--task", "knn", "--model", "pixels", "--data", "mini", "--set", "norm_eps=1"],
    ["inspect", "absent.pth"],
    ["models", "new", "mine", "--weights", "absent.pth"],
    ["watch", "absent"],
    ["train", "--recipe", "minni"],
    ["train", "--data", "absent/folder"],
    ["train", "--set", "epoch=2"],
    ["attention", "absent.jpg", "--model", "random:vit_mini/4", "--output", "absent"],
    ["attention", "README.md", "--model", "dino_vits17", "--output", "absent"],
    ["features", "export", "--model", "dino_vits17", "--data", "mini", "--output", "absent.npy"],
    ["features", "export", "--model", "random:vit_mini/4", "--data", "absent/folder", "--output", "absent.npy"],
    ["score", "davis", "--results", "absent", "--data", "absent/folder"],
    ["score", "davis", "--results", "absent", "--data", "mini"],
    ["score", "retrieval", "--ranks", "absent.npy", "--gnd", "absent.pkl"],
    ["score", "copydays", "--ranks", "absent.npy", "--data", "absent/folder"],
)


def test_what_computes_nothing_imports_no_torch() -> None:
    code = f"""
import sys
from click.testing import CliRunner
from dinobench.cli.main import main
for arguments in {TORCH_FREE!r}:
    CliRunner().invoke(main, arguments)
    assert "torch" not in sys.modules, arguments
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
