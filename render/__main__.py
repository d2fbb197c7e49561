"""``python -m render --config FILE --runtime DIR``: the render process."""

from __future__ import annotations

from mirror.process import Context, run_process


def body(context: Context) -> None:
    """The process's body, loaded only once the network filter stands."""
    from render.process import body as render_body

    render_body(context)


if __name__ == "__main__":
    run_process("render", body)
