"""`python -m trendloom`."""

from trendloom.cli import main

main()
