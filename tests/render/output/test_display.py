"""The window, on a real X server without a screen (Xvfb): what the shopper sees, pixel by pixel."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mirror.config import RenderConfig
from mirror.types import Picture
from render.output.display import NullDisplay, letterbox, open_display

pytestmark = pytest.mark.slow

SCREEN = (320, 200)


@dataclass
class Screen:
    """An X server whose picture lies in a file."""

    name: str
    process: subprocess.Popen[bytes]
    file: Path

    def pixels(self) -> Picture:
        """What is on the screen now, (H, W, 3) BGR."""
        data = self.file.read_bytes()
        header = np.frombuffer(data, ">u4", 25)  # an XWD file
        width, height, stride, colours = (int(header[i]) for i in (4, 5, 12, 19))
        start = int(header[0]) + 12 * colours
        rows = np.frombuffer(data, np.uint8, height * stride, start).reshape(height, stride // 4, 4)
        return rows[:, :width, :3]

    def wait_until(self, right: Callable[[Picture], bool]) -> Picture:
        """The first picture that is right, or what there is after 20 s."""
        until = time.monotonic() + 20
        while not right(pixels := self.pixels()) and time.monotonic() < until:
            time.sleep(0.05)
        return pixels


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    reading, writing = os.pipe()
    size = f"{SCREEN[0]}x{SCREEN[1]}x24"
    command = [
        "Xvfb",
        "-displayfd",
        str(writing),
        "-screen",
        "0",
        size,
        "-fbdir",
        str(tmp_path),
        "-nolisten",
        "tcp",
    ]
    with subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL) as server:
        os.close(writing)
        with open(reading) as pipe:
            number = pipe.readline().strip()
        assert number, "Xvfb did not start"
        yield Screen(f":{number}", server, tmp_path / "Xvfb_screen0")
        server.kill()


@pytest.fixture
def mirror(screen: Screen) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Runs Python code that uses ``Window`` on the screen, in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str, **environment: str) -> subprocess.Popen[str]:
        code = (
            "import sys, time, numpy as np, pygame\n"
            "from mirror.errors import MirrorError\n"
            "from render.output import display\n"
            "from render.output.display import Window\n" + code
        )
        variables = {**os.environ, "DISPLAY": screen.name, "SDL_VIDEODRIVER": "x11", **environment}
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", code],
                env=variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


RED, GREEN, BLUE = (10, 20, 200), (20, 180, 30), (210, 40, 30)  # BGR


def is_near(colour: np.ndarray, wanted: tuple[int, int, int]) -> bool:
    return bool(np.abs(colour.astype(int) - wanted).max() <= 3)


@pytest.mark.parametrize("gpu", ["False", "True"], ids=["surface", "texture"])
def test_full_screen_shows_the_frame_letterboxed(
    screen: Screen, mirror: Callable[..., subprocess.Popen[str]], gpu: str
) -> None:
    """Colours swapped, a squeezed picture, rubbish in the bars or a pointer: the shopper sees it all."""
    mirror(
        f"display._has_gpu = lambda: {gpu}\n"
        "window = Window(fullscreen=True)\n"
        "wide = np.zeros((90, 160, 3), np.uint8)\n"
        f"wide[:, :80], wide[:, 80:], wide[:8] = {RED}, {GREEN}, {BLUE}\n"
        "for _ in range(3): window.show(wide)\n"
        "print('shown', flush=True); sys.stdin.readline()\n"
        "tall = np.full((100, 50, 3), 255, np.uint8)\n"
        "for _ in range(3): window.show(tall)\n"
        "print('shown', flush=True); sys.stdin.readline()\n"
    )
    pixels = screen.wait_until(lambda p: is_near(p[100, 40], RED))
    assert is_near(pixels[100, 40], RED)
    assert is_near(pixels[100, 280], GREEN)
    assert is_near(pixels[18, 160], BLUE)  # the picture is 320 x 180 and starts at row 10
    assert is_near(pixels[180, 40], RED)
    assert pixels[:9].max() == 0
    assert pixels[-9:].max() == 0


def test_frame_size_may_change(screen: Screen, mirror: Callable[..., subprocess.Popen[str]]) -> None:
    """Another clip in another shape must not leave the bars of the last one on the screen."""
    mirror(
        "window = Window(fullscreen=True)\n"
        f"window.show(np.full((90, 160, 3), {RED}, np.uint8))\n"
        f"window.show(np.full((100, 50, 3), {GREEN}, np.uint8))\n"
        "sys.stdin.readline()\n"
    )
    pixels = screen.wait_until(lambda p: is_near(p[100, 160], GREEN))
    assert is_near(pixels[100, 160], GREEN)
    assert is_near(pixels[1, 112], GREEN)
    assert pixels[:, :109].max() == 0
    assert pixels[:, -109:].max() == 0


def test_plain_window_has_the_size_of_the_frame(
    screen: Screen, mirror: Callable[..., subprocess.Popen[str]]
) -> None:
    """In a window the picture is shown as it is, unscaled."""
    code = (
        "window = Window(fullscreen=False)\n"
        f"window.show(np.full((60, 100, 3), {BLUE}, np.uint8))\n"
        "print(window._window.size, flush=True); sys.stdin.readline()\n"
    )
    process = mirror(code)
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    assert "(100, 60)\n" in lines
    pixels = screen.wait_until(lambda p: is_near(p[100, 160], BLUE))
    assert is_near(pixels[100, 160], BLUE)
    assert 5500 < sum(is_near(colour, BLUE) for colour in pixels.reshape(-1, 3)) <= 6000


def test_operator_is_heard(mirror: Callable[..., subprocess.Popen[str]]) -> None:
    """Keys, a presenter's clicker and the window's close button are all that an operator has."""
    keys = ["ESCAPE", "q", "RIGHT", "PAGEDOWN", "SPACE", "LEFT", "PAGEUP", "x", "f", "UP", "w"]
    process = mirror(
        "window = Window(fullscreen=True)\n"
        f"keys = [getattr(pygame, 'K_' + key) for key in {keys}]\n"
        "for key in keys: pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))\n"
        "shift = {'key': pygame.K_f, 'mod': pygame.KMOD_SHIFT}\n"
        "pygame.event.post(pygame.event.Event(pygame.KEYDOWN, shift))\n"
        "pygame.event.post(pygame.event.Event(pygame.QUIT))\n"
        "print(window.poll(), window.poll())\n"
        "window.close(); window.close()\n"
    )
    output, errors = process.communicate(timeout=60)
    wanted = ["quit", "quit", "next", "next", "next", "previous", "previous"]
    wanted += ["next_fabric", "previous_fabric", "weave", "previous_fabric", "quit"]
    assert f"{wanted} []" in output, errors
    assert process.returncode == 0


@pytest.mark.parametrize("call", ["window.show(frame)", "window.poll()"])
def test_lost_display_is_an_explained_error(
    screen: Screen, mirror: Callable[..., subprocess.Popen[str]], call: str
) -> None:
    """Xlib would end the process on the spot: no line for the operator, a recording cut off."""
    process = mirror(
        "window = Window(fullscreen=True)\n"
        "frame = np.full((90, 160, 3), 99, np.uint8)\n"
        "window.show(frame)\n"
        "print('shown', flush=True)\n"
        "try:\n"
        f"    while True: {call}; time.sleep(0.01)\n"
        "except MirrorError as error:\n"
        "    print('explained:', error)\n"
        "window.close()\n"
        "print('still alive', flush=True)\n"
    )
    assert process.stdout is not None
    assert "shown\n" in iter(process.stdout.readline, "")
    screen.process.kill()
    output, errors = process.communicate(timeout=60)
    assert "explained: the display server is gone" in output, errors
    assert "still alive" in output
    assert process.returncode == 0


def test_missing_monitor_is_explained(mirror: Callable[..., subprocess.Popen[str]]) -> None:
    """A monitor number from another machine's configuration is named."""
    process = mirror("try: Window(monitor=3)\nexcept MirrorError as error: print('explained:', error)\n")
    output, _ = process.communicate(timeout=60)
    assert "explained: there is no monitor 3: 1 found" in output


def test_missing_display_is_explained(mirror: Callable[..., subprocess.Popen[str]]) -> None:
    """Started over ssh, the mirror says what is missing instead of drawing into nothing."""
    code = "try: Window()\nexcept MirrorError as error: print('explained:', error)\n"
    for environment in (
        {"DISPLAY": "", "WAYLAND_DISPLAY": "", "SDL_VIDEODRIVER": ""},
        {"DISPLAY": ":9999"},
    ):
        output, errors = mirror(code, **environment).communicate(timeout=60)
        assert "explained: no display" in output, errors


@pytest.mark.parametrize(
    ("shape", "window", "place"),
    [
        ((720, 1280, 3), (1920, 1080), (0, 0, 1920, 1080)),
        ((480, 640, 3), (1920, 1080), (240, 0, 1440, 1080)),
        ((1280, 720, 3), (1080, 1920), (0, 0, 1080, 1920)),
        ((720, 1280, 3), (1080, 1920), (0, 656, 1080, 608)),
        ((100, 100, 3), (50, 80), (0, 15, 50, 50)),
        ((1, 5000, 3), (100, 100), (0, 49, 100, 1)),
    ],
)
def test_letterbox(shape: tuple[int, ...], window: tuple[int, int], place: tuple[int, int, int, int]) -> None:
    """A person must not look thinner or wider than they are."""
    assert letterbox(shape, window) == place


def test_no_display_is_the_null_display() -> None:
    """A headless replay needs no screen."""
    nothing = open_display(RenderConfig(display="none"))
    assert isinstance(nothing, NullDisplay)
    nothing.show(np.zeros((4, 4, 3), np.uint8))
    assert nothing.poll() == []
    nothing.close()
