"""Which protocol fills a cell."""

from __future__ import annotations

from dinobench.cards import load_models, load_tasks
from dinobench.results.tables.cells import table_cells
from dinobench.results.tables.specs import select_tables


def test_a_row_that_names_its_protocol_is_measured_by_it() -> None:
    cells = table_cells(select_tables("5"), load_tasks(), load_models())
    jobs = {cell.model: cell.job for cell in cells if cell.column == "jf_mean"}
    assert (jobs["stc_rn18"], jobs["dino_vits16"]) == ("davis@stc", "davis@paper")
