"""``python -m inference --config FILE --runtime DIR``: the inference process."""

from __future__ import annotations

from mirror.process import Context, run_process


def body(context: Context) -> None:
    """The process's body, loaded only once the network filter stands: MediaPipe comes with it."""
    from inference.process import body as inference_body

    inference_body(context)


if __name__ == "__main__":
    run_process("inference", body)
