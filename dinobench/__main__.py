"""`python -m dinobench`, and `torchrun -m dinobench`."""

from dinobench.cli.main import main

main(prog_name="dinobench")
