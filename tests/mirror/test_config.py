"""The configuration: what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from mirror import config
from mirror.config import SHIPPED, Config, dump, keys, load, parse_setting
from mirror.errors import MirrorError


@pytest.fixture(autouse=True)
def _no_file_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FITTING_MIRROR_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config-home"))
    monkeypatch.setattr(config, "MACHINE", tmp_path / "etc" / "mirror.toml")


def page(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mirror.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_shipped_file_is_the_defaults() -> None:
    """The file operators copy would say something else than what the mirror does."""
    text = SHIPPED.read_text(encoding="utf-8")
    assert text == dump(Config()), "write it again: mirror shipped-config"
    assert msgspec.to_builtins(load(SHIPPED)) == msgspec.to_builtins(Config())


def test_every_key_is_documented() -> None:
    """An operator would have to read the source."""
    lines = dump(Config()).splitlines()
    for key in keys():
        name = key.rpartition(".")[2]
        at = next(i for i, line in enumerate(lines) if line.startswith(f"{name} = "))
        assert lines[at - 1].startswith("# "), key


def test_dump_and_load_agree(tmp_path: Path) -> None:
    """The processes would run with other settings than the supervisor was given."""
    config = load(
        None,
        {
            "capture.source": 'a "quoted" \\ name\x7f\u00e4\U0001f600.mp4',
            "wardrobe.garments": ["tshirt", "trousers"],
            "capture.fps": 12.5,
            "render.mirror": False,
        },
    )
    assert load(page(tmp_path, dump(config))) == config


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[capture]\nwdith = 640", "unknown key 'capture.wdith' (did you mean 'capture.width'?)"),
        ("[camera]\nwidth = 640", "unknown key 'camera'"),
        ("width = 640", "unknown key 'width' (did you mean 'capture.width'?)"),
        ('[capture]\nwidth = "wide"', "capture.width: expected `int`, got `str`"),
        ("[capture]\nwidth = 0", "capture.width: expected `int` >= 16"),
        ('[render]\ndisplay = "screen"', "render.display: invalid enum value 'screen'"),
        ("[wardrobe]\ngarments = [1]", "wardrobe.garments[0]: expected `str`, got `int`"),
        ("capture = 5", "capture: expected `object`, got `int`"),
        ("[capture\n", "is not valid TOML: Expected ']'"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    """A typing mistake would be ignored, or answered with a traceback."""
    path = page(tmp_path, text)
    with pytest.raises(MirrorError) as caught:
        load(path)
    assert line in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_unreadable_files_are_told(tmp_path: Path) -> None:
    """The mirror would run with defaults instead of the file that was named."""
    with pytest.raises(MirrorError, match=r"config file .*none\.toml does not exist"):
        load(tmp_path / "none.toml")
    with pytest.raises(MirrorError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MirrorError, match="cannot be read"):
        load(tmp_path / "binary.toml")


def test_file_named_by_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service's own configuration would be passed over."""
    monkeypatch.setenv("FITTING_MIRROR_CONFIG", str(page(tmp_path, "[capture]\nwidth = 320")))
    assert load().capture.width == 320
    monkeypatch.setenv("FITTING_MIRROR_CONFIG", str(tmp_path / "gone.toml"))
    with pytest.raises(MirrorError, match="does not exist"):
        load()


def test_users_file_is_found(tmp_path: Path) -> None:
    """The user's settings would be passed over."""
    home = tmp_path / "config-home" / "fitting-mirror"
    home.mkdir(parents=True)
    (home / "mirror.toml").write_text("[capture]\nheight = 480")
    assert load().capture.height == 480


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("capture.width=640", "capture.width", 640),
        ("capture.source=0", "capture.source", "0"),
        ("capture.source=a=b.mp4", "capture.source", "a=b.mp4"),
        ("capture.loop=true", "capture.loop", True),
        ("wardrobe.garments=tshirt, trousers", "wardrobe.garments", ["tshirt", "trousers"]),
        ('wardrobe.garments=["tshirt"]', "wardrobe.garments", ["tshirt"]),
        ("spine.stale_ms=500", "spine.stale_ms", 500),
    ],
)
def test_settings_take_the_type_of_their_key(text: str, key: str, value: object) -> None:
    """``--set`` would refuse a camera index, or take "true" for a text."""
    assert parse_setting(text) == (key, value)
    table, _, name = key.partition(".")
    assert getattr(getattr(load(None, dict([parse_setting(text)])), table), name) == value


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("capture.width", "is not of the form table.key=value"),
        ("capture.wide=1", "unknown key (did you mean 'capture.width'?)"),
        ("capture.width=wide", "'wide' is not a int"),
    ],
)
def test_bad_settings_are_refused(text: str, line: str) -> None:
    """``--set`` with a typing mistake would do nothing."""
    with pytest.raises(MirrorError) as caught:
        parse_setting(text)
    assert line in str(caught.value)


def test_overrides_are_checked() -> None:
    """The command line would get past the checks that the file gets."""
    with pytest.raises(MirrorError, match=r"setting: capture\.pace: invalid enum value 'slow'"):
        load(None, {"capture.pace": "slow"})
    with pytest.raises(MirrorError, match=r"unknown key 'capture\.none'"):
        load(None, {"capture.none": 1})
    with pytest.raises(MirrorError, match=r"unknown key 'nothing\.width'"):
        load(None, {"nothing.width": 1})
