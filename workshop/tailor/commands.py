"""The tailor's commands: ``mirror garment show|import|drape|cut|export|features``.

And the fabrics': ``mirror fabric import|collection|plain``.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mirror.cli.options import ConfigFile, JsonObject, Settings, load_config
from mirror.cli.tables import cell, print_table
from mirror.errors import MirrorError

if TYPE_CHECKING:
    from render.garments.garment import Garment

_GUESS = 0.4  # cosine under which an example is not much like a garment: other kinds are further apart

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name or folder.")]
Destination = Annotated[
    Path | None,
    typer.Option("--to", metavar="DIR", help="Wardrobe folder (default: the first of wardrobe.folders)."),
]


def show_garment(
    name: Name,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: JsonObject = False,
    similar: Annotated[
        bool, typer.Option("--similar", help="Also garments like it, and cloth for it.")
    ] = False,
) -> int:
    """Print one garment: its facts, its measurements (cm) by size, and what is like it if asked for."""
    from render.garments.garment import load_garment

    folders = load_config(config, settings).wardrobe.folders
    garment = load_garment(name, folders)
    facts: dict[str, Any] = {
        "name": garment.name,
        "kind": garment.kind.name,
        "slot": garment.slot,
        "layer": garment.layer,
        "sizes": list(garment.sizes),
        "default_fabric": garment.default_fabric,
        "author": garment.author,
        "licence": garment.licence,
        "path": str(garment.path),
        "vertices": len(garment.vertices),
        "measurements": garment.measurements,
    }
    alike = _alike(garment, folders) if similar else {}
    facts |= alike
    if as_json:
        print(json.dumps(facts))
        return 0
    for key, value in facts.items():
        if key != "measurements" and key not in alike:
            print(f"{key:<15} {cell(value)}")
    measures = sorted({name for row in garment.measurements.values() for name in row})
    if measures:
        print("\nmeasurements, cm")
        rows = [{"size": size} | garment.measurements.get(size, {}) for size in garment.sizes]
        print_table(rows, ("size", *measures))
    if alike:
        _print_alike(alike)
    return 0


def import_garment(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Mesh file, or garment folder.")],
    config: ConfigFile = None,
    settings: Settings = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What to call it (default: the file's name).")
    ] = None,
    like: Annotated[
        str | None,
        typer.Option("--like", metavar="NAME", help="Garment it takes after (default: the likest one)."),
    ] = None,
    unit: Annotated[Literal["m", "cm", "mm"], typer.Option("--unit", help="Of the mesh.")] = "m",
    fabric: Annotated[
        str | None, typer.Option("--fabric", metavar="F", help="The fabric it wears by default.")
    ] = None,
    author: Annotated[str | None, typer.Option("--author", help="Who made it.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="What may be done with it.")] = None,
    to: Destination = None,
) -> int:
    """Check a mesh or folder, and put it into the wardrobe."""
    from render.garments.garment import list_garments, load_garment
    from workshop.tailor.garment_import import import_folder, import_mesh

    folders = load_config(config, settings).wardrobe.folders
    garments = _destination(to, folders)
    name = name or source.stem
    if source.is_dir():
        facts = import_folder(source, name, garments)
    else:
        names = [like] if like else [row["name"] for row in list_garments(folders)]
        entries = {"default_fabric": fabric, "author": author, "licence": licence}
        if fabric:
            from render.garments.fabric import load_fabric

            load_fabric(fabric, folders)
        facts = import_mesh(
            source,
            name,
            garments,
            [load_garment(each, folders) for each in names],
            unit=unit,
            facts={key: value for key, value in entries.items() if value is not None},
        )
    _say(facts)
    return 0


def drape_garment(
    name: Name,
    config: ConfigFile = None,
    settings: Settings = None,
    like: Annotated[
        str | None, typer.Option("--like", metavar="OTHER", help="Make NAME anew from OTHER's page.")
    ] = None,
    measures: Annotated[
        list[str] | None,
        typer.Option("--cut", metavar="KEY=VALUE", help="Set a measure of the new page, cm."),
    ] = None,
    to: Destination = None,
) -> int:
    """Cut a garment from its page, and hang it on the body."""
    from mirror.wardrobe import check_name, find_folder
    from workshop.tailor.cutter import cut

    folders = load_config(config, settings).wardrobe.folders
    if like is None:
        if measures:
            raise MirrorError("--cut sets measures of a new page: say with --like which one to start from")
        folder = find_folder("garments", name, folders)
        _say({"path": str(folder), **cut(folder)})
        return 0
    folder = _destination(to, folders) / check_name("garment", name)
    if folder.exists():
        raise MirrorError(f"{folder}: there is something already; leave --like out to drape it again")
    page = find_folder("garments", like, folders) / "garment.toml"
    text = _renamed(page.read_text("utf-8"), name)
    for setting in measures or ():
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


def export_garment(
    name: Name,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.glb", help="GlTF binary to write.")],
    config: ConfigFile = None,
    settings: Settings = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="S", help="Size (default: the base size).")
    ] = None,
    fabric: Annotated[
        str | None, typer.Option("--fabric", metavar="F", help="Fabric (default: the garment's own).")
    ] = None,
    form: Annotated[
        Path | None,
        typer.Option("--form", metavar="FILE.glb", help="Also write the dress form it lies on."),
    ] = None,
) -> int:
    """Write a glTF binary that other programs show as the mirror does."""
    import numpy as np
    import trimesh

    from inference.body.model import PARENTS, BodyModel
    from render.garments import glb
    from render.garments.fabric import load_fabric
    from render.garments.garment import BASE_SIZE, load_garment

    folders = load_config(config, settings).wardrobe.folders
    garment = load_garment(name, folders)
    cloth = load_fabric(fabric or garment.default_fabric, folders)
    base = BASE_SIZE if BASE_SIZE in garment.sizes else garment.sizes[len(garment.sizes) // 2]
    vertices, normals = garment.shaped(size=size or base)
    file = replace(glb.read(garment.path / "garment.glb"), vertices=vertices, normals=normals)
    body = BodyModel.load()
    try:
        glb.write(
            out,
            garment.name,
            file,
            np.asarray(body.joints),
            list(PARENTS),
            glb.GlbMesh(cloth.albedo, cloth.repeat_m),
        )
        if form is not None:
            mesh = trimesh.Trimesh(body.vertices, body.faces, process=False)
            binary: Any = mesh.export(file_type="glb")
            form.write_bytes(binary)
    except OSError as error:
        raise MirrorError(f"{error.filename}: cannot be written ({error.strerror})") from error
    print(out)
    return 0


def garment_features(
    name: Name,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write.")],
    config: ConfigFile = None,
    settings: Settings = None,
    size: Annotated[
        str | None, typer.Option("--size", help="The garment's size (default: its base size).")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Draw size, body and pose at random (default: as it rests)."),
    ] = None,
    side: Annotated[int, typer.Option("--side", help="Px of a picture.")] = 256,
) -> int:
    """Write NAME.safetensors and NAME.png, a sheet of the channels."""
    import cv2
    import numpy as np

    from inference.body.model import BodyModel
    from render.garments.garment import load_garment
    from workshop.tailor.alike.augment import at_rest, draw_setting
    from workshop.tailor.alike.features import Tailor, base_size, sheet, write_features

    if not 16 <= side <= 2048:
        raise MirrorError("--side: 16 to 2048 px")
    garment, model = load_garment(name, load_config(config, settings).wardrobe.folders), BodyModel.load()
    setting = at_rest(base_size(garment), model)
    if seed is not None:
        setting = draw_setting(garment.sizes, model, np.random.default_rng(seed))
    if size is not None:
        garment.size_steps(size)
        setting = replace(setting, size=size)
    try:
        tailor = Tailor(garment, model)
        found = tailor.features(setting, side=side, view_side=side)
    except MirrorError as error:
        raise MirrorError(f"{garment.path / 'garment.glb'}: {error}") from error
    facts = {"garment": garment.name, "size": setting.size, "seed": str(seed)}
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_features(found, out / f"{garment.name}.safetensors", facts)
        picture = out / f"{garment.name}.png"
        if not cv2.imwrite(str(picture), sheet(found)):
            raise MirrorError(f"{picture}: cannot be written")
    except OSError as error:
        raise MirrorError(f"{out}: cannot be written ({error.strerror})") from error
    print(out / f"{garment.name}.safetensors")
    print(picture)
    return 0


def import_swatches(
    swatches: Annotated[Path, typer.Argument(help="Folder of swatch photos and material sets.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write each swatch as a fabric folder in here.")
    ] = None,
) -> int:
    """Label the swatches, and make fabrics of them where asked."""
    from workshop.tailor.fabric_import import import_fabric
    from workshop.tailor.swatch_photos.photographs import build
    from workshop.tailor.swatch_photos.review import FILE

    for swatch in build(swatches):
        label = swatch.label
        print(f"{swatch.name}  {label.fabric_class}  {label.palette}  {label.width_m:.3f} m wide")
        if out is not None:
            print(f"  {import_fabric(swatch, out)}")
    print(f"labels to correct: {swatches / FILE}")
    return 0


def cut_garments(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="Garment folders.")],
) -> int:
    """Cut every named garment from its page, as it lies."""
    from workshop.tailor.cutter import cut

    for folder in folders:
        print(folder, {key: round(value, 4) for key, value in cut(folder).items()})
    return 0


def fabric_collection(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Such as wardrobe/fabrics.")],
) -> int:
    """Weave the fabrics that the project ships, a folder each."""
    from workshop.tailor.fabric_collection import weave_collection

    for folder in weave_collection(out):
        print(folder)
    return 0


def plain_fabrics(
    wardrobe: Annotated[
        Path | None, typer.Argument(metavar="WARDROBE", help="Wardrobe folder (default: the shipped one).")
    ] = None,
) -> int:
    """Compute the two plain fabrics of the wardrobe."""
    from mirror.wardrobe import PACKAGED
    from workshop.tailor.plain_fabrics import PLAIN_FABRICS, make

    for spec in PLAIN_FABRICS:
        print(make(spec, wardrobe or PACKAGED))
    return 0


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


def _alike(garment: Garment, folders: Sequence[str]) -> dict[str, Any]:
    """``similar``: the other garments, the likest first; ``proposals``: cloth for it, the best first."""
    from workshop.tailor.alike import similar

    found, broken = similar.similar_garments(garment, folders)
    for path, reason in broken:
        print(f"mirror: {path.name} is left out: {reason}", file=sys.stderr)
    examples = [(1.0, similar.suits_of(garment.path))]
    examples += [(near.similarity, similar.suits_of(near.path)) for near in found]
    proposals = [
        {
            "class": proposal.fabric_class,
            "score": round(proposal.score, 3),
            "repeat_m": None if proposal.repeat_m is None else [round(r, 4) for r in proposal.repeat_m],
            "fabrics": similar.matching_fabrics(proposal, folders),
        }
        for proposal in similar.propose(examples)
    ]
    rows = [
        {
            "name": near.name,
            "kind": near.kind,
            "similarity": round(near.similarity, 3),
            "path": str(near.path),
        }
        for near in found
    ]
    # How near the likest garment is that says what suits it: far away, the cloth is a guess.
    nearest = max((round(likeness, 3) for likeness, suits in examples if suits), default=None)
    return {"similar": rows, "proposals": proposals, "nearest_example": nearest}


def _print_alike(alike: Mapping[str, Any]) -> None:
    print("\nsimilar garments (cosine of the embeddings, 1 is the same)")
    print_table(alike["similar"], ("name", "kind", "similarity"))
    print("\ncloth that suits it")
    if not alike["proposals"]:
        print("no garment says what suits it; add [suits] to a garment.toml")
        return
    if alike["nearest_example"] < _GUESS:
        print("(a guess: no garment that says what suits it is much like this one)")
    rows = []
    for proposal in alike["proposals"]:
        repeat = proposal["repeat_m"]
        names = [
            fabric["name"] + ("" if fabric["scale"] in (None, 1.0) else f" (x{fabric['scale']:.2f})")
            for fabric in proposal["fabrics"]
        ]
        pattern = None if repeat is None else f"{100 * repeat[0]:.1f}-{100 * repeat[1]:.1f}"
        rows.append(proposal | {"pattern_cm": pattern, "fabrics": names})
    print_table(rows, ("class", "score", "pattern_cm", "fabrics"))
