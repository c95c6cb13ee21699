"""Set up this checkout and run its jobs: python3 dev.py demo | test | test-all | check | build | setup.

Needs Python 3.11 or newer and nothing else: it makes `.venv` beside this file, installs the package there, and
remembers what it did, so that the next call starts at once.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
DIST = ROOT / "dist"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "ratesmith-setup.txt"
ADVICE = "install the venv module (Debian, Ubuntu: apt install python3-venv) or uv, then run this again"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"

DEMO = [
    "examples/digits.py:task",
    *("--strategy", 'step(every="30%")'),
    *("--strategy", 'multistep(milestones=["50%", "75%"])'),
    *("--strategy", 'exponential(gamma=0.1, every="50%")'),
    *("--strategy", "cosine()"),
    *("--strategy", "plateau(factor=0.3, patience=1)"),
    *("--strategy", 'custom("inverse_time", every="1ep")'),
    *("--steps", "10ep", "--out", "runs/demo"),
]
BARE_PEERS = ["deepspeed", "megatron-core"]
"""Peers of which one file is wanted, without the gigabytes that the whole needs; where trainers do not find them."""
BARE = VENV / "bare"
CHECKS = [
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
    ["mypy"],
    ["pytest", "-q", "tests/test_layers.py", "tests/test_surface.py"],
]


def say(text: str) -> None:
    """Say one line of what is being done."""
    print(f"dev.py: {text}", flush=True)


def stop(text: str) -> None:
    """End with one plain sentence on what to do."""
    sys.exit(f"dev.py: {text}")


def works(*command: str | Path) -> bool:
    """Whether a command runs and succeeds."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run(*command: str | Path) -> None:
    """Run a command from the checkout's folder; end with its status if it fails."""
    try:
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
    except KeyboardInterrupt:
        status = 130
    if status:
        sys.exit(status)


def make_environment() -> None:
    """Make .venv with whatever this machine has: venv, or uv."""
    good = "import sys; sys.exit(sys.version_info < (3, 11))"
    if PYTHON.exists() and works(PYTHON, "-c", good):
        return
    if VENV.exists():
        say(f"{VENV.name} is broken; making it anew")
        shutil.rmtree(VENV)
    say(f"making {VENV.name} with Python {sys.version.split()[0]}")
    uv = shutil.which("uv")
    if works(sys.executable, "-m", "venv", VENV):
        return
    if uv and works(uv, "venv", "--seed", "--clear", "--python", sys.executable, VENV):
        return
    # Debian's python3 has venv but not ensurepip: the environment can still be made, pip is mended below.
    if works(sys.executable, "-m", "venv", "--clear", "--without-pip", VENV):
        return
    stop(f"cannot make a virtual environment with {sys.executable}; {ADVICE}")


def mend_pip() -> None:
    """See that .venv has pip, which environments made by uv, or on Debian, lack."""
    if works(PYTHON, "-m", "pip", "--version"):
        return
    say(f"{VENV.name} has no pip; installing it")
    uv = shutil.which("uv") or "uv"
    if not (
        works(PYTHON, "-m", "ensurepip", "--upgrade")
        or works(uv, "pip", "install", "--python", PYTHON, "pip")
        or works(sys.executable, "-m", "pip", "--python", str(PYTHON), "install", "pip")
    ):
        stop(f"{VENV.name} has no pip and none could be installed; {ADVICE}")


def cpu_index() -> list[str]:
    """Return pip's options for PyTorch's CPU builds, where they are wanted and the index answers within 3 seconds."""
    if sys.platform != "linux":
        return []
    answers: list[bool] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(f"{CPU_INDEX}/torch/", timeout=3) as reply:
                answers.append(reply.status == 200)
        except OSError:
            answers.append(False)

    # In a thread of its own: a name look-up knows no time limit.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(3)
    if any(answers):
        return ["--extra-index-url", CPU_INDEX]
    say("PyTorch's CPU index does not answer; torch comes from where pip is set to look")
    return []


def setup(extras: set[str]) -> None:
    """Make the environment and install the package with its extras, unless that has been done for these very files."""
    parts = [Path(__file__).read_bytes(), str(ROOT).encode()]
    parts += [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    wanted = hashlib.sha256(b"\0".join(parts)).hexdigest()
    make_environment()
    stamp, *have = STAMP.read_text(encoding="utf-8").split() if STAMP.exists() else [""]
    if stamp == wanted:
        if extras <= set(have):
            return
        extras = extras | set(have)
    mend_pip()
    say("installing the package and what it needs (a few minutes the first time, mostly PyTorch)")
    pip = ["-m", "pip", "install", "--disable-pip-version-check", *cpu_index()]
    constraints = ("--constraint", ROOT / "constraints.txt")
    run(PYTHON, *pip, *constraints, "--editable", f"{ROOT}[{','.join(sorted(extras))}]")
    if "peers" in extras:
        run(PYTHON, *pip, *constraints, "--no-deps", "timm")  # as a whole it needs torchvision; its schedulers do not
        for name in BARE_PEERS:
            bare = [*pip, "--target", str(BARE), "--upgrade", "--no-deps", "--no-build-isolation"]
            if not works(PYTHON, *bare, *constraints, name):
                say(f"{name} could not be installed; the tests that compare with it are skipped")
    STAMP.write_text(" ".join([wanted, *sorted(extras)]), encoding="utf-8")
    say("set up")


def stray_and_missing(is_there: set[str], wanted: set[str]) -> str:
    """Return what an archive has and should not have, and the other way round; empty if it is whole."""
    stray, missing = sorted(is_there - wanted), sorted(wanted - is_there)
    return ", ".join([*(f"{name} is stray" for name in stray), *(f"{name} is missing" for name in missing)])


def check_contents(wheel: Path, sdist: Path) -> None:
    """Stop unless the wheel holds every file of the package, the sdist every file of the repository, and no other."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    source = ROOT / "src"
    files = {file for file in source.rglob("*") if file.is_file() and "__pycache__" not in file.parts}
    if wrong := stray_and_missing(names, {file.relative_to(source).as_posix() for file in files}):
        stop(f"{wheel.name}: {wrong}; see [tool.hatch] in pyproject.toml")
    if not works("git", "-C", ROOT, "rev-parse", "HEAD"):
        say("no git here, so what the sdist holds is not compared with the repository")
        return
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()} - {"PKG-INFO"}
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    if wrong := stray_and_missing(names, set(listed.rstrip("\0").split("\0"))):
        stop(f"{sdist.name}: {wrong}; git add or remove it, or see [tool.hatch] in pyproject.toml")


def try_wheel(wheel: Path) -> None:
    """Install the wheel alone into a fresh environment, and draw a schedule with its command."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / PYTHON.relative_to(VENV)
        run(PYTHON, "-m", "venv", "--without-pip", folder)
        pip = ["-m", "pip", "--python", str(python), "install", "--disable-pip-version-check", "--quiet"]
        run(PYTHON, *pip, wheel)
        run(python.with_name("ratesmith" + python.suffix), "show", 'warmup("10%") >> cosine()', "--steps", "100")


def build() -> None:
    """Build wheel and sdist into dist/, check what they hold and say of themselves, and use the wheel."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(PYTHON, "-m", "build", "--outdir", DIST)  # the wheel is built from the sdist, which so is whole
    [wheel], [sdist] = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    run(PYTHON, "-m", "twine", "check", "--strict", wheel, sdist)
    check_contents(wheel, sdist)
    say(f"{wheel.name} and {sdist.name} are whole; installing the wheel alone")
    try_wheel(wheel)


def main() -> None:
    """Read the job, set up, and run it."""
    if sys.version_info < (3, 11):  # noqa: UP036  # this file is what an older Python is run on
        stop(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; run it with a newer python3")
    parser = argparse.ArgumentParser(prog="dev.py", description="Set up this checkout and run its jobs.")
    parser.add_argument(
        "job",
        choices=["demo", "test", "test-all", "check", "build", "setup"],
        help="demo: the main job on real data; test: the tests with PyTorch; test-all: with JAX and all the peers too; "
        "check: linter, types, layers; build: wheel and sdist, tried in a fresh environment; setup: only set up",
    )
    job, rest = parser.parse_known_args()
    setup({"dev", "peers"} if job.job == "test-all" else {"dev"})
    if job.job == "demo":
        say("comparing six strategies and the constant rate on handwritten digits")
        run(PYTHON, "-m", "ratesmith", "compare", *DEMO, *rest)
    elif job.job in ("test", "test-all"):
        run(PYTHON, "-m", "pytest", *rest)
    elif job.job == "check":
        for command in CHECKS:
            say(" ".join(command))
            run(PYTHON, "-m", *command)
    elif job.job == "build":
        build()


if __name__ == "__main__":
    main()
