"""Masks that another method wrote become the record of its card, and say so."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from dinobench.cli.main import main
from dinobench.data.twin_cache import twin_folder
from dinobench.results.records import RecordStore


def test_masks_stand_in_the_row_of_the_method_that_wrote_them(tmp_path: Path) -> None:
    data = twin_folder("davis")
    masks = data / "Annotations" / "480p"
    arguments = ["score", "davis", "--results", str(masks), "--data", str(data), "--output", str(tmp_path)]
    done = CliRunner().invoke(main, [*arguments, "--as", "stm_rn50"])
    assert done.exit_code == 0, done.output
    assert "stm_rn50 davis@masks  jf_mean 100.00" in done.output
    assert "scored from masks" in done.output
    (record,) = RecordStore(tmp_path).runs()
    assert (record.model.card, record.protocol.name, record.warnings[0]) == ("stm_rn50", "masks", "scored from masks")
    plan = ["reproduce", "--table", "5", "--models", "stm_rn50", "--data", str(data), "--output", str(tmp_path)]
    assert (
        "stm_rn50  davis@masks                  done"
        in CliRunner().invoke(main, [*plan, "--dry-run", "--no-estimate"]).output
    )
    unknown = CliRunner().invoke(main, [*arguments, "--as", "stm"])
    assert (unknown.exit_code, "stm_rn50" in unknown.output) == (2, True)
    alone = CliRunner().invoke(main, arguments)
    assert (alone.exit_code, "--as CARD" in alone.output) == (2, True)


def test_the_protocol_of_masks_is_not_run_by_eval(tmp_path: Path) -> None:
    arguments = ["eval", "--task", "davis@masks", "--model", "random:vit_mini/4", "--data", "mini"]
    done = CliRunner().invoke(main, [*arguments, "--output", str(tmp_path)])
    assert (done.exit_code, "dinobench score davis" in done.output) == (2, True)
