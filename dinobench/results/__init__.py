"""Records, tables, comparisons, figures, the report."""
