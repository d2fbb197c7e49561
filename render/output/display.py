"""Where the mirror is shown: a window through SDL, on X11 or Wayland, or nowhere."""

from __future__ import annotations

import atexit
import ctypes
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

import cv2
import numpy as np

from mirror.config import RenderConfig
from mirror.errors import MirrorError
from mirror.types import Picture

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
# SDL's window surface otherwise goes through OpenGL, which without a GPU costs 11 ms a frame at
# 1080p instead of the 0.6 ms of X11's shared memory.
os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
os.environ.setdefault("SDL_VIDEO_X11_WMCLASS", "fitting-mirror")
os.environ.setdefault("SDL_VIDEO_WAYLAND_WMCLASS", "fitting-mirror")

import pygame
from pygame import _sdl2 as sdl2

__all__ = ["Display", "Event", "NullDisplay", "Window", "letterbox", "open_display"]

log = logging.getLogger("render")

Event = Literal["quit", "next", "previous", "next_fabric", "previous_fabric", "weave"]

_KEYS: dict[int, Event] = {
    pygame.K_ESCAPE: "quit",
    pygame.K_q: "quit",
    pygame.K_RIGHT: "next",
    pygame.K_SPACE: "next",
    pygame.K_PAGEDOWN: "next",  # PAGEDOWN and PAGEUP are what a presenter's clicker sends
    pygame.K_LEFT: "previous",
    pygame.K_BACKSPACE: "previous",
    pygame.K_PAGEUP: "previous",
    pygame.K_f: "next_fabric",  # with shift the previous one: see Window.poll
    pygame.K_DOWN: "next_fabric",
    pygame.K_UP: "previous_fabric",
    pygame.K_w: "weave",
}


class Display(Protocol):
    """Shows frames and hears the operator. To be used from the main thread only."""

    def show(self, frame: Picture) -> None:
        """Show ``frame`` (H, W, 3) BGR as it is; raises ``MirrorError`` if the display is gone."""

    def poll(self) -> list[Event]:
        """What the operator asked for since the last call."""

    def close(self) -> None:
        """Give the screen back. Closing twice is fine."""


class NullDisplay:
    """Shows nothing: for replays and machines without a screen."""

    def show(self, frame: Picture) -> None:
        """Nothing is shown."""

    def poll(self) -> list[Event]:
        """Nobody is there to ask for anything."""
        return []

    def close(self) -> None:
        """There is nothing to close."""


def open_display(config: RenderConfig) -> Display:
    """The display that the configuration asks for; raises ``MirrorError`` if there is none."""
    if config.display == "none":
        return NullDisplay()
    return Window(config.fullscreen, config.monitor)


class Window:
    """A window without border over a whole monitor, or a plain one of the first frame's size.

    Frames are scaled to the window, their aspect kept, with black bars. Raises
    ``MirrorError`` if there is no display server or no such monitor.
    """

    def __init__(self, fullscreen: bool = True, monitor: int = 0, title: str = "Fitting Mirror") -> None:
        self._fullscreen = fullscreen
        self._monitor = monitor
        self._title = title
        self._canvas: _SurfaceCanvas | _TextureCanvas | None = None
        self._window: Any = None
        self._lost = False
        try:
            pygame.display.init()
        except pygame.error as error:
            line = f"no display ({error}): start a desktop session, or use --display none"
            raise MirrorError(line) from error
        self._driver = pygame.display.get_driver()
        if self._driver in {"offscreen", "dummy"} and os.environ.get("SDL_VIDEODRIVER") != self._driver:
            pygame.display.quit()  # what SDL falls back to, in silence
            raise MirrorError("no display (DISPLAY and WAYLAND_DISPLAY are not set): use --display none")
        sizes = pygame.display.get_desktop_sizes()
        if monitor >= len(sizes):
            pygame.display.quit()
            raise MirrorError(f"there is no monitor {monitor}: {len(sizes)} found, numbered from 0")
        self._screen: tuple[int, int] = sizes[monitor]
        if self._driver == "x11":
            self._kept = _on_x11_loss(self._lose)
        if fullscreen:
            self._open(self._screen)

    def _open(self, size: tuple[int, int]) -> _SurfaceCanvas | _TextureCanvas:
        options: dict[str, Any] = {"size": size, "position": _centre_of(self._monitor)}
        if self._fullscreen:
            # Both: without a window manager, as in a kiosk, nobody hears the request for full screen.
            options |= {"borderless": True, "fullscreen_desktop": True}
        else:
            options["resizable"] = True
        try:
            self._window = pygame.Window(self._title, **options)
            pygame.mouse.set_visible(not self._fullscreen)
            # Without a GPU the processor scales faster than OpenGL's emulation does.
            on_processor = self._driver == "x11" and not _has_gpu()
            self._canvas = _SurfaceCanvas(self._window) if on_processor else _TextureCanvas(self._window)
        except pygame.error as error:
            self.close()
            raise MirrorError(f"no window can be opened: {error}") from error
        return self._canvas

    def show(self, frame: Picture) -> None:
        """Show ``frame`` (H, W, 3) BGR as it is; raises ``MirrorError`` if the display is gone."""
        self._raise_if_lost()
        canvas = self._canvas
        if canvas is None:
            height, width = frame.shape[:2]
            shrink = min(1.0, self._screen[0] / width, self._screen[1] / height)
            canvas = self._open((round(width * shrink), round(height * shrink)))
        try:
            canvas.show(frame)
        except pygame.error as error:
            self._raise_if_lost()
            raise MirrorError(f"the display is gone: {error}") from error
        self._raise_if_lost()

    def poll(self) -> list[Event]:
        """What the operator asked for since the last call; raises ``MirrorError`` like ``show``."""
        self._raise_if_lost()
        found: list[Event] = []
        for event in pygame.event.get():
            if event.type in {pygame.QUIT, pygame.WINDOWCLOSE}:
                found.append("quit")
            elif event.type == pygame.KEYDOWN and event.key in _KEYS:
                shifted = event.key == pygame.K_f and getattr(event, "mod", 0) & pygame.KMOD_SHIFT
                found.append("previous_fabric" if shifted else _KEYS[event.key])
        self._raise_if_lost()
        return found

    def close(self) -> None:
        """Give the screen back."""
        self._canvas = None
        if self._window is not None and not self._lost:
            self._window.destroy()
        self._window = None
        if not self._lost:
            pygame.display.quit()

    def _lose(self) -> None:
        if self._lost:
            return
        self._lost = True
        # Xlib waits for ever for answers to what SDL asks while it cleans up: never let it begin.
        atexit.unregister(pygame.quit)
        for kept in (self._window, self._canvas):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))

    def _raise_if_lost(self) -> None:
        if self._lost:
            raise MirrorError("the display server is gone: the window is lost, start the mirror again")


class _SurfaceCanvas:
    """Scales on the processor, straight into the window's shared memory."""

    def __init__(self, window: Any) -> None:
        self._window = window
        self._placed: tuple[int, int, int, int] | None = None

    def show(self, frame: Picture) -> None:
        surface = self._window.get_surface()
        size = surface.get_size()
        pixels: Picture = np.frombuffer(surface.get_buffer(), np.uint8)
        pixels = pixels.reshape(size[1], surface.get_pitch() // 4, 4)
        x, y, width, height = place = letterbox(frame.shape, size)
        if place != self._placed:
            pixels[:] = 0  # black bars
            self._placed = place
        target = pixels[y : y + height, x : x + width]
        if target.shape[:2] == frame.shape[:2]:
            cv2.cvtColor(frame, cv2.COLOR_BGR2BGRA, dst=target)
        else:
            enlarge = height > frame.shape[0]
            how = cv2.INTER_LINEAR if enlarge else cv2.INTER_AREA
            cv2.resize(
                cv2.cvtColor(frame, cv2.COLOR_BGR2BGRA), (width, height), dst=target, interpolation=how
            )
        self._window.flip()


class _TextureCanvas:
    """Scales on the GPU, or by what stands for one."""

    def __init__(self, window: Any) -> None:
        self._window = window
        self._renderer = sdl2.Renderer(window)
        self._renderer.draw_color = (0, 0, 0, 255)
        self._staging: Any = None
        self._texture: Any = None

    def show(self, frame: Picture) -> None:
        height, width = frame.shape[:2]
        if self._staging is None or self._staging.get_size() != (width, height):
            self._staging = pygame.Surface((width, height), depth=32, masks=(0xFF0000, 0xFF00, 0xFF, 0))
            self._texture = sdl2.Texture(self._renderer, (width, height), streaming=True, scale_quality=1)
        pixels: Picture = np.frombuffer(self._staging.get_buffer(), np.uint8)
        pixels = pixels.reshape(height, self._staging.get_pitch() // 4, 4)[:, :width]
        cv2.cvtColor(frame, cv2.COLOR_BGR2BGRA, dst=pixels)
        self._texture.update(self._staging)
        self._renderer.clear()
        self._texture.draw(dstrect=letterbox(frame.shape, self._window.size))
        self._renderer.present()


def letterbox(shape: tuple[int, ...], window: tuple[int, int]) -> tuple[int, int, int, int]:
    """Where a picture of ``shape`` (H, W, ...) lies in ``window`` (W, H): x, y, width, height in px."""
    scale = min(window[0] / shape[1], window[1] / shape[0])
    width, height = max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))
    return (window[0] - width) // 2, (window[1] - height) // 2, width, height


def _centre_of(monitor: int) -> tuple[int, int]:
    centred = 0x2FFF0000 | monitor  # SDL_WINDOWPOS_CENTERED_DISPLAY
    return centred, centred


def _has_gpu() -> bool:
    return any(Path("/dev/dri").glob("renderD*")) or Path("/dev/nvidia0").exists()


_IO_ERROR = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_IO_ERROR_EXIT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


def _on_x11_loss(lose: Callable[[], None]) -> object:
    """Have a lost X server noted by ``lose``; by itself Xlib ends the process on the spot.

    Returns what must be kept as long as the display is used. Needs libX11 1.7; with an older
    one, the process still ends.
    """
    xlib = ctypes.CDLL("libX11.so.6")
    if not hasattr(xlib, "XSetIOErrorExitHandler"):
        log.warning("libX11 is older than 1.7: should the display be lost, the process ends")
        return None
    pygame.display.set_mode((1, 1), pygame.HIDDEN)  # the only kind of window that tells its connection
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.argtypes, pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p
    connection = pointer(pygame.display.get_wm_info()["display"], b"display")

    def note(_connection: int) -> int:
        lose()
        return 0

    handlers = _IO_ERROR(note), _IO_ERROR_EXIT(lambda _connection, _data: None)  # both would exit
    xlib.XSetIOErrorHandler(handlers[0])
    xlib.XSetIOErrorExitHandler.argtypes = [ctypes.c_void_p, _IO_ERROR_EXIT, ctypes.c_void_p]
    xlib.XSetIOErrorExitHandler(connection, handlers[1], None)
    return handlers
