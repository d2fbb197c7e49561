"""The one table of commands: what ``mirror`` offers, and which function of which module does it.

A function is named, not imported: its module is loaded when the command is called, and the spine
depends on no other package.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Panel(StrEnum):
    """Under which heading the help lists a command: who uses it."""

    OPERATOR = "Operator"
    MERCHANDISER = "Merchandiser"
    ENGINEER = "Engineer"


@dataclass(frozen=True)
class Command:
    """A command. ``path``: its words after ``mirror``; ``function``: ``"package.module:name"``.

    ``hidden`` commands are the project's own, and no help lists them.
    """

    path: str
    function: str
    help: str
    panel: Panel
    hidden: bool = False


@dataclass(frozen=True)
class Group:
    """A first word that others follow, as in ``mirror garment list``."""

    path: str
    help: str
    panel: Panel


_OPERATOR, _MERCHANDISER, _ENGINEER = Panel.OPERATOR, Panel.MERCHANDISER, Panel.ENGINEER

GROUPS: tuple[Group, ...] = (
    Group("garment", "The wardrobe's garments.", _MERCHANDISER),
    Group("fabric", "The wardrobe's fabrics.", _MERCHANDISER),
    Group("light", "The light network.", _ENGINEER),
    Group("landmarks", "The network that corrects landmarks.", _ENGINEER),
    Group("shape-prior", "The prior of body shapes.", _ENGINEER),
    Group("bake", "Compute what ships of the body; offline, by hand.", _ENGINEER),
    Group("evaluate", "Measure how good the learned parts are.", _ENGINEER),
)

#: In the order in which the help lists them.
COMMANDS: tuple[Command, ...] = (
    Command("run", "mirror.cli.live:run", "Run the live mirror in the foreground.", _OPERATOR),
    Command("start", "mirror.cli.live:start", "Start the mirror in the background.", _OPERATOR),
    Command("stop", "mirror.cli.live:stop", "Stop the mirror, leaving nothing behind.", _OPERATOR),
    Command("restart", "mirror.cli.live:restart", "Stop the mirror and start it again.", _OPERATOR),
    Command("status", "mirror.cli.live:status", "Tell how the mirror is; exit 0 when healthy.", _OPERATOR),
    Command("logs", "mirror.cli.live:logs", "Print the mirror's log.", _OPERATOR),
    Command(
        "doctor",
        "mirror.cli.doctor:doctor",
        "Check what the mirror needs, and say how to mend it.",
        _OPERATOR,
    ),
    Command("demo", "mirror.cli.replay:demo", "Show the built-in clip in the mirror.", _OPERATOR),
    Command("install", "mirror.cli.install:install", "Install the systemd units.", _OPERATOR),
    Command("models", "mirror.cli.models:models", "Fetch and check the models.", _OPERATOR),
    Command(
        "replay",
        "mirror.cli.replay:replay",
        "Play a clip, a folder of images or one image through the mirror.",
        _ENGINEER,
    ),
    Command(
        "bench",
        "workshop.bench.commands:bench",
        "Measure speed and latency, beside a naive mirror.",
        _ENGINEER,
    ),
    Command(
        "bench-changes",
        "workshop.bench.commands:changes",
        "Measure what other clothes cost while the mirror runs.",
        _ENGINEER,
    ),
    Command("demo-clip", "workshop.synthetic.commands:demo_clip", "Make the built-in clip anew.", _ENGINEER),
    Command("probe", "mirror.cli.probe:probe", "Try one thing for the doctor.", _OPERATOR, hidden=True),
    Command(
        "shipped-config",
        "mirror.cli.models:shipped_config",
        "Write the shipped configuration from the defaults.",
        _ENGINEER,
        hidden=True,
    ),
    # garment
    Command("garment list", "render.garments.commands:list_garments", "List the garments.", _MERCHANDISER),
    Command(
        "garment show",
        "workshop.tailor.commands:show_garment",
        "Print one garment's facts and measurements.",
        _MERCHANDISER,
    ),
    Command(
        "garment wear",
        "mirror.cli.wear:wear_garment",
        "Show other garments in the running mirror.",
        _MERCHANDISER,
    ),
    Command(
        "garment import",
        "workshop.tailor.commands:import_garment",
        "Put a garment made elsewhere into the wardrobe.",
        _MERCHANDISER,
    ),
    Command(
        "garment drape",
        "workshop.tailor.commands:drape_garment",
        "Cut a garment from its page, and hang it on the body.",
        _MERCHANDISER,
    ),
    Command(
        "garment export",
        "workshop.tailor.commands:export_garment",
        "Write a garment for other 3D programs.",
        _MERCHANDISER,
    ),
    Command(
        "garment features",
        "workshop.tailor.commands:garment_features",
        "Write a garment's channels, and a sheet of them.",
        _ENGINEER,
    ),
    Command(
        "garment cut",
        "workshop.tailor.commands:cut_garments",
        "Cut the garments of folders from their pages.",
        _ENGINEER,
    ),
    Command(
        "garment train",
        "workshop.train.garment.commands:train",
        "Train the encoder that finds garments alike.",
        _ENGINEER,
    ),
    # fabric
    Command("fabric list", "render.garments.commands:list_fabrics", "List the fabrics.", _MERCHANDISER),
    Command(
        "fabric wear",
        "mirror.cli.wear:wear_fabric",
        "Show another fabric in the running mirror.",
        _MERCHANDISER,
    ),
    Command(
        "fabric weave",
        "inference.weaver.commands:weave",
        "Weave a fabric, show it in the running mirror.",
        _MERCHANDISER,
    ),
    Command(
        "fabric sample",
        "inference.fabric.commands:sample",
        "Make a fabric of a class and a palette.",
        _MERCHANDISER,
    ),
    Command(
        "fabric import",
        "workshop.tailor.commands:import_swatches",
        "Make fabrics of swatch photos.",
        _MERCHANDISER,
    ),
    Command("fabric train", "workshop.train.fabric.commands:train", "Train the fabric GAN.", _ENGINEER),
    Command(
        "fabric choose",
        "workshop.train.fabric.commands:choose",
        "Choose the designs of trained weights.",
        _ENGINEER,
    ),
    Command(
        "fabric collection",
        "workshop.tailor.commands:fabric_collection",
        "Weave the fabrics that ship.",
        _ENGINEER,
    ),
    Command(
        "fabric plain",
        "workshop.tailor.commands:plain_fabrics",
        "Compute the two plain fabrics that ship.",
        _ENGINEER,
    ),
    # light
    Command(
        "light estimate",
        "workshop.evaluate.light.commands:estimate",
        "Tell the light in a picture of a person.",
        _ENGINEER,
    ),
    Command(
        "light train",
        "workshop.train.light.commands:train",
        "Train the light network on rendered people.",
        _ENGINEER,
    ),
    # landmarks, shape-prior, bake
    Command(
        "landmarks dataset",
        "workshop.train.landmarks.commands:dataset",
        "Draw people, and keep what the pose network sees.",
        _ENGINEER,
    ),
    Command(
        "landmarks train",
        "workshop.train.landmarks.commands:train",
        "Train the network that corrects landmarks.",
        _ENGINEER,
    ),
    Command(
        "shape-prior train",
        "workshop.train.commands:shape_prior",
        "Learn what pictures tell of a body's shape.",
        _ENGINEER,
    ),
    Command(
        "bake body",
        "workshop.bake.commands:body",
        "Bake the body model and the blocks of garments.",
        _ENGINEER,
    ),
    Command(
        "bake people",
        "workshop.bake.commands:people",
        "Bake the people that the fit is measured on.",
        _ENGINEER,
    ),
    Command(
        "bake landmark-offsets",
        "workshop.bake.commands:landmark_offsets",
        "Measure where landmarks lie on a body.",
        _ENGINEER,
    ),
    Command(
        "bake mask-stand-off",
        "workshop.bake.commands:mask_stand_off",
        "Measure how far the person mask stands off the flesh.",
        _ENGINEER,
    ),
    # evaluate
    Command(
        "evaluate fit",
        "workshop.evaluate.fit.commands:evaluate",
        "Overlap, layering, steadiness and body measures on known people.",
        _ENGINEER,
    ),
    Command(
        "evaluate parts",
        "workshop.evaluate.parts.commands:evaluate",
        "Hands, hair, head, skin and worn clothes, beside the network they come from.",
        _ENGINEER,
    ),
    Command(
        "evaluate light",
        "workshop.evaluate.light.commands:evaluate",
        "Error of the estimated light, beside simpler estimates.",
        _ENGINEER,
    ),
    Command(
        "evaluate fabric",
        "workshop.evaluate.fabric.commands:evaluate",
        "Tiling, realism, diversity and obedience of sampled fabrics.",
        _ENGINEER,
    ),
    Command(
        "evaluate garment",
        "workshop.evaluate.garment.commands:evaluate",
        "Retrieval of garments of the same kind and the same cut.",
        _ENGINEER,
    ),
)
