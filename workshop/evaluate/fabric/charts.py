"""Charts and sample sheets of the proof."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.fabric.classes import NAMES
from mirror.errors import MirrorError
from workshop.evaluate.fabric.limits import BORDER_RATIO, DELTA_E
from workshop.evaluate.fabric.requests import Request

_COLUMNS = 12


def write_charts(
    out: Path,
    result: dict[str, Any],
    ratios: NDArray[np.floating],
    colour_errors: NDArray[np.floating],
    requests: list[Request],
    pictures: NDArray[np.uint8],
    others: dict[str, NDArray[np.uint8]],
) -> None:
    """Write charts.png, samples.png (a row a class) and a sheet for each of ``others`` into ``out``."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MirrorError("the charts need matplotlib: pip install 'fitting-mirror[train]'") from error
    out.mkdir(parents=True, exist_ok=True)
    summary = result["summary"]
    figure = Figure(figsize=(13, 8), layout="constrained")
    (a, b), (c, d) = figure.subplots(2, 2)
    kinds = {
        "samples": "kid",
        "real": "kid_floor",
        "quilting": "kid_quilting",
        "procedural": "kid_procedural",
    }
    a.bar(list(kinds), [summary[k] for k in kinds.values()], color=["#1f6f8b", "#888", "#b5651d", "#6b8e23"])
    a.set_title("KID to held-out swatches (lower is closer)")
    b.hist(colour_errors, bins=30, color="#1f6f8b")
    b.axvline(DELTA_E, color="#7a1f1f")
    b.set_title("Worst ΔE2000 to the palette asked for")
    c.hist(ratios, bins=30, color="#1f6f8b")
    c.axvspan(*BORDER_RATIO, color="#6b8e23", alpha=0.2)
    c.set_title("Gradient across the border over inside")
    by_class = result["class_ok_by_class"]
    d.barh(list(by_class), list(by_class.values()), color="#1f6f8b")
    d.set_title("Share recognised as the class asked for")
    figure.savefig(out / "charts.png", dpi=100)
    rows = []
    for name in NAMES:
        found = [p for p, w in zip(pictures, requests, strict=True) if w.fabric_class == name][:_COLUMNS]
        if found:
            found += [np.zeros_like(found[0])] * (_COLUMNS - len(found))
            rows.append(np.hstack(found))
    cv2.imwrite(str(out / "samples.png"), np.vstack(rows)[:, :, ::-1])
    for name, group in others.items():
        picked = group[np.linspace(0, len(group) - 1, 4 * _COLUMNS).astype(int)]
        lines = [np.hstack(picked[i : i + _COLUMNS]) for i in range(0, len(picked), _COLUMNS)]
        cv2.imwrite(str(out / f"{name}.png"), np.vstack(lines)[:, :, ::-1])
