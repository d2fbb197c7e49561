"""``python -m capture --config FILE --runtime DIR``: the capture process."""

from __future__ import annotations

from mirror.process import Context, run_process


def body(context: Context) -> None:
    """The process's body, loaded only once the network filter stands: OpenCV and FFmpeg come with it."""
    from capture.process import body as capture_body

    capture_body(context)


if __name__ == "__main__":
    run_process("capture", body)
