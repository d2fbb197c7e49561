"""``mirror garment import|drape|export``: garments into the wardrobe, and out of it."""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mirror.errors import MirrorError


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    """``mirror garment import``'s arguments."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="mesh file, or garment folder")
    parser.add_argument("--name", help="what to call it (default: the file's name)")
    parser.add_argument("--like", metavar="NAME", help="garment it takes after (default: the likest one)")
    parser.add_argument("--unit", choices=("m", "cm", "mm"), default="m", help="of the mesh (default m)")
    parser.add_argument("--fabric", metavar="F", help="the fabric it wears by default")
    parser.add_argument("--author", help="who made it")
    parser.add_argument("--licence", help="what may be done with it")
    _wardrobe(parser)


def add_drape_arguments(parser: argparse.ArgumentParser) -> None:
    """``mirror garment drape``'s arguments."""
    parser.add_argument("name", metavar="NAME", help="name or folder")
    parser.add_argument("--like", metavar="OTHER", help="make NAME anew from OTHER's page")
    parser.add_argument(
        "--cut", action="append", default=[], metavar="KEY=VALUE", help="set a measure of the new page, cm"
    )
    _wardrobe(parser)


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """``mirror garment export``'s arguments."""
    parser.add_argument("name", metavar="NAME", help="name or folder")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.glb", help="glTF binary to write")
    parser.add_argument("--size", metavar="S", help="size (default: the base size)")
    parser.add_argument("--fabric", metavar="F", help="fabric (default: the garment's own)")
    parser.add_argument("--form", type=Path, metavar="FILE.glb", help="also write the dress form it lies on")


def _wardrobe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to", type=Path, metavar="DIR", help="wardrobe folder (default: the first of wardrobe.folders)"
    )


def import_garment(options: argparse.Namespace) -> int:
    """Run ``mirror garment import``: check a mesh or folder, and put it into the wardrobe."""
    from render.garments.garment import list_garments, load_garment
    from workshop.tailor.garment_import import import_folder, import_mesh

    folders = _folders(options)
    garments = _destination(options.to, folders)
    source: Path = options.source
    name = options.name or source.stem
    if source.is_dir():
        facts = import_folder(source, name, garments)
    else:
        names = [options.like] if options.like else [row["name"] for row in list_garments(folders)]
        entries = {"default_fabric": options.fabric, "author": options.author, "licence": options.licence}
        if options.fabric:
            from render.garments.fabric import load_fabric

            load_fabric(options.fabric, folders)
        facts = import_mesh(
            source,
            name,
            garments,
            [load_garment(like, folders) for like in names],
            unit=options.unit,
            facts={key: value for key, value in entries.items() if value is not None},
        )
    _say(facts)
    return 0


def drape_garment(options: argparse.Namespace) -> int:
    """Run ``mirror garment drape``: cut a garment from its page, and hang it on the body."""
    from mirror.wardrobe import check_name, find_folder
    from workshop.tailor.cutter import cut

    folders = _folders(options)
    if options.like is None:
        if options.cut:
            raise MirrorError("--cut sets measures of a new page: say with --like which one to start from")
        folder = find_folder("garments", options.name, folders)
        _say({"path": str(folder), **cut(folder)})
        return 0
    folder = _destination(options.to, folders) / check_name("garment", options.name)
    if folder.exists():
        raise MirrorError(f"{folder}: there is something already; leave --like out to drape it again")
    page = find_folder("garments", options.like, folders) / "garment.toml"
    text = _renamed(page.read_text("utf-8"), options.name)
    for setting in options.cut:
        text = _with_measure(text, setting, page)
    try:
        folder.mkdir(parents=True)
        (folder / "garment.toml").write_text(text, "utf-8")
        facts = cut(folder)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise MirrorError(f"{folder}: cannot be written ({error.strerror})") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # half a garment would stop every list of the wardrobe
        raise
    _say({"path": str(folder), **facts})
    return 0


def export_garment(options: argparse.Namespace) -> int:
    """Run ``mirror garment export``: a glTF binary that other programs show as the mirror does."""
    import trimesh

    from inference.body.model import PARENTS, BodyModel
    from render.garments import glb
    from render.garments.fabric import load_fabric
    from render.garments.garment import BASE_SIZE, load_garment

    folders = _folders(options)
    garment = load_garment(options.name, folders)
    fabric = load_fabric(options.fabric or garment.default_fabric, folders)
    base = BASE_SIZE if BASE_SIZE in garment.sizes else garment.sizes[len(garment.sizes) // 2]
    vertices, normals = garment.shaped(size=options.size or base)
    file = replace(glb.read(garment.path / "garment.glb"), vertices=vertices, normals=normals)
    body = BodyModel.load()
    try:
        glb.write(
            options.out,
            garment.name,
            file,
            np.asarray(body.joints),
            list(PARENTS),
            glb.GlbMesh(fabric.albedo, fabric.repeat_m),
        )
        if options.form is not None:
            form = trimesh.Trimesh(body.vertices, body.faces, process=False)
            options.form.write_bytes(form.export(file_type="glb"))
    except OSError as error:
        raise MirrorError(f"{error.filename}: cannot be written ({error.strerror})") from error
    print(options.out)
    return 0


def _folders(options: argparse.Namespace) -> list[str]:
    from mirror.cli.app import load_config

    return load_config(options).wardrobe.folders


def _destination(to: Path | None, folders: Sequence[str]) -> Path:
    """The ``garments`` folder of the wardrobe that a new garment goes to."""
    if to is None and not folders:
        raise MirrorError("no wardrobe of your own: name a folder with --to, or in wardrobe.folders")
    return Path(to or folders[0]).expanduser() / "garments"


def _renamed(text: str, name: str) -> str:
    return re.sub(r'(?m)^name = ".*"$', f'name = "{name}"', text, count=1)


def _with_measure(text: str, setting: str, page: Path) -> str:
    """A page's text with one number of its [cut] table changed or added."""
    from workshop.tailor.cut_page import MEASURES

    key, _, value = (part.strip() for part in setting.partition("="))
    if key not in MEASURES:
        raise MirrorError(f"--cut {setting}: no such measure; there are {', '.join(MEASURES)}")
    try:
        line = f"{key} = {float(value):g}"
    except ValueError:
        raise MirrorError(f"--cut {setting}: give a number, such as {key}=25") from None
    before, found, rest = text.partition("[cut]\n")
    if not found:
        raise MirrorError(f"{page}: has no [cut] table; it was not cut here")
    table, bracket, after = rest.partition("\n[")
    table, count = re.subn(rf"(?m)^{key} = .*$", line, table)
    return before + found + (table if count else f"{line}\n{table}") + bracket + after


def _say(facts: dict[str, Any]) -> None:
    for key, value in facts.items():
        if isinstance(value, float):
            print(f"{key:<15} {value:.4f}")
        else:
            print(f"{key:<15} {' '.join(value) if isinstance(value, list) else value}")
