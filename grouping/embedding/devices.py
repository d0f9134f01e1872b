"""Which devices of this machine the embedding model runs on.

Comes in: the config's ``devices``. Goes out: torch's names, one a process. Import torch only where there
is something to embed.
"""

from __future__ import annotations

from typing import Literal

from triptych.errors import SetupError


def usable_devices(devices: Literal["auto"] | tuple[str, ...]) -> list[str]:
    """``auto`` as all GPUs, or the CPU; a list as it is, once it is known to be there.

    Raises SetupError where a named GPU isn't.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if devices == "auto":
        return [f"cuda:{number}" for number in range(count)] or ["cpu"]
    for name in devices:
        number = int(name.partition(":")[2] or 0)
        if name != "cpu" and number >= count:
            found = f"only {count}" if count else "no GPU"
            raise SetupError(
                f"embedding.devices names {name}, but torch finds {found} here; leave it out, set"
                " embedding.devices to auto, or fix the driver"
            )
    return list(devices)
