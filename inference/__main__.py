"""``python -m inference --config FILE --runtime DIR``: the inference process."""

from __future__ import annotations

import os

# The fit's matrices are small: a second thread of the linear algebra library would only spin, on a
# core that the pose network needs. Read when NumPy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from mirror.process import Context, run_process


def body(context: Context) -> None:
    """The process's body, loaded only once the network filter stands: MediaPipe comes with it."""
    from inference.process import body as inference_body

    inference_body(context)


if __name__ == "__main__":
    run_process("inference", body)
