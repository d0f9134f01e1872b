"""``python -m triptych`` is the ``triptych`` command."""

from triptych.cli import main

main()
