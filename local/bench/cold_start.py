"""How long Lambda's init phase of `create_ticket` takes, against that of an ordinary build.

An ordinary build is what SAM's Python builder leaves: the same locked wheels unzipped, whole and without bytecode, and
the same sources. Both are started in Lambda's own runtime, by turns; nothing is written, as /opt and /var/task are
read-only in Lambda. The emulator runs on Linux only.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from local import artefacts
from local.aws import cloud
from local.bench.figures import Figure, Goal, Part
from local.bench.progress import Bars
from local.runtimes import emulator
from local.runtimes.runtime import Function

_LAYERS = ("DependenciesLayer", "TicketRelayLayer", "ConfigLayer")
_FUNCTION = "CreateTicketFunction"
_LOCK = artefacts.ROOT / "layers" / "dependencies" / "requirements.txt"


@dataclass(frozen=True, slots=True)
class Start:
    """One init phase, from the start of Lambda's runtime to the loaded function: seconds, and those of a processor."""

    elapsed: float
    processor: float


type Pair = tuple[Start, Start]
"""Of ours and of the ordinary build."""


async def measured(pairs: int, bars: Bars) -> Part:
    """Start either build so many times, after once that does not count: it reads the files from the disk."""
    bars.begin("cold start: builds", 1)
    built = await artefacts.build()
    with tempfile.TemporaryDirectory(prefix="relay-") as scratch:
        ordinary = await asyncio.to_thread(ordinary_build, built, Path(scratch) / "ordinary")
        function = await _function(built)
        start = emulator.starter(Path(scratch))
        done = bars.begin("cold start: pairs", pairs + 1)
        found: list[Pair] = []
        for turn in range(pairs + 1):
            folders = [built, ordinary] if turn % 2 else [ordinary, built]
            starts = {folder: await _started(start, _of(function, folder)) for folder in folders}
            found.append((starts[built], starts[ordinary]))
            done(turn + 1)
    return _part(found[1:])


def ordinary_build(built: Path, into: Path) -> Path:
    """Our sources as they were built, but without bytecode, and the locked wheels as they are."""
    for artefact in (_FUNCTION, *_LAYERS[1:]):
        for source in (built / artefact).rglob("*"):
            if source.is_file() and source.suffix != ".pyc":
                target = into / artefact / source.relative_to(built / artefact)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
    python = Path(sys.executable)
    command = [
        *(
            str(python.with_name("uv")),
            "pip",
            "install",
            "-q",
            "--python",
            str(python),
            "--no-deps",
            "--require-hashes",
        ),
        *("--only-binary", ":all:", "--no-compile", "-r", str(_LOCK), "--target", str(into / _LAYERS[0] / "python")),
    ]
    subprocess.run(command, check=True)  # noqa: S603 - our own tool and lock
    return into


def _part(pairs: list[Pair]) -> Part:
    ours, ordinary = zip(*pairs, strict=True)

    def figure(name: str, of: Callable[[Start], float], goal: Goal | None = None) -> Figure:
        relay, peer = (statistics.median(map(of, starts)) * 1000 for starts in (ours, ordinary))
        return Figure(name, relay, "{:.0f} ms", peer, goal)

    ratios = [one.elapsed / other.elapsed for one, other in pairs]
    return Part(
        title="Cold start",
        peer="ordinary build",
        figures=(
            figure("init of `create_ticket`, median", lambda start: start.elapsed, Goal(0.30, of_ratio=True)),
            figure("the same, of a processor", lambda start: start.processor),
        ),
        how=f"""Lambda's init phase: from the start of the runtime to the loaded function. The ordinary build is what
            SAM's Python builder leaves: the same locked wheels, whole and without bytecode, and the same sources.
            {len(pairs)} starts of each, by turns, in Lambda's own runtime; their ratios were {min(ratios):.2f} to
            {max(ratios):.2f}.""",
        limits=(
            "The interpreter's own start and the runtime client are in both figures.",
            """The ordinary build has our sources: what they do not load, it does not load either, and saves three times
            as much by it, since it compiles each module.""",
        ),
    )


async def _function(built: Path) -> Function:
    """The function with the environment that the template gives it. Nothing is asked of AWS while it starts."""
    parameters = {"ZendeskBaseUrl": "https://example.zendesk.com"}
    secrets = dict.fromkeys(("ZendeskSecret", "PartnerSecrets", "WebhookSecret"), "{}")
    async with cloud.moto() as url:
        made = await cloud.made(built, url, None, parameters, secrets)
    (name,) = {route.function for route in made.routes if route.key == "POST /webhooks/{partner}"}
    return made.functions[name]


def _of(function: Function, folder: Path) -> Function:
    return replace(
        function,
        folder=folder / _FUNCTION,
        layers=tuple(folder / layer for layer in _LAYERS),
        environment=function.environment | {"PYTHONDONTWRITEBYTECODE": "1"},
    )


async def _started(start: emulator.EmulatorStarter, function: Function) -> Start:
    async with start(function) as runtime:
        spent = psutil.Process(runtime.pid).cpu_times()
        return Start(runtime.init_seconds, spent.user + spent.system)
