"""``python -m inference.weaver --config FILE --runtime DIR``: the weaver process."""

from __future__ import annotations

import os

# One thread: the frames need the other cores. Read when NumPy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from mirror.process import Context, run_process


def body(context: Context) -> None:
    """The process's body, loaded only once the network filter stands."""
    from inference.weaver.process import body as weaver_body

    weaver_body(context)


if __name__ == "__main__":
    run_process("weaver", body)
