"""What `sam build` makes of the template, made again whenever its sources have changed."""

import asyncio
import hashlib
import os
import shutil
import sys
from pathlib import Path

from filelock import AsyncFileLock

from layers.config import compile as compiler
from local.processes import log, spawned

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".aws-sam" / "local"
"""Not where `sam deploy` looks: what runs here holds the repository's own definitions, whatever is to be deployed."""

_SOURCES = ("template.yaml", "functions", "layers")
_STAMP = ROOT / ".aws-sam" / "local-stack.sha256"


async def build() -> Path:
    """Bring the artefacts up to date; returns the folder of the built template. Raises RuntimeError if it fails."""
    _STAMP.parent.mkdir(exist_ok=True)
    # Two that start at once must not build over each other.
    async with AsyncFileLock(_STAMP.with_suffix(".lock")):
        digest = await asyncio.to_thread(_digest)
        if not (BUILD / "template.yaml").exists() or not _STAMP.exists() or _STAMP.read_text() != digest:
            _STAMP.unlink(missing_ok=True)
            await _sam_build()
            _STAMP.write_text(digest)
    return BUILD


async def _sam_build() -> None:
    log("build", "the artefacts are missing or older than their sources: sam build")
    environment = os.environ | {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1", compiler.VARIABLE: ""}
    sam = shutil.which("sam", path=str(Path(sys.executable).parent))
    if sam is None:
        raise RuntimeError("sam is not installed beside this Python: run `make setup`")
    async with spawned("build", sam, "build", "--build-dir", str(BUILD), env=environment, cwd=ROOT) as process:
        if await process.wait():
            raise RuntimeError("sam build failed")


def definitions(config: compiler.Config, folder: Path) -> Path:
    """Make a layer of definitions, in `folder`. Raises RuntimeError that says what is wrong with them."""
    files, problems = compiler.compiled(config)
    if problems:
        raise RuntimeError("\n".join(["the definitions cannot be built:", *map(str, problems)]))
    compiler.write(files, folder / "python")
    return folder


def _digest() -> str:
    digest = hashlib.sha256()
    for source in _SOURCES:
        path = ROOT / source
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(ROOT).as_posix()}\0{file.stat().st_size}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    asyncio.run(build())
