"""A terminal in which the commands of the documentation run as written."""

from __future__ import annotations

import os
import re
import selectors
import socket
import subprocess
import sys
import time
from typing import NamedTuple

import pytest

SECONDS = 60
SERVER, METRICS = "127.0.0.1:7234", "127.0.0.1:9464"
FENCE = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)

# Installing is played: what a command would install is what these tests run with, or is put on the path.
PYTHON3 = """#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then
  mkdir -p "$3/bin" && cp "{shims}"/* "$3/bin/" && echo 'PATH="{folder}/.venv/bin:$PATH"' > "$3/bin/activate"
else
  exec "{python}" "$@"
fi
"""
PIP = """#!{python}
import sys, tomllib
from importlib.metadata import distribution
from pathlib import Path
assert sys.argv[1] == "install", sys.argv
for wanted in sys.argv[2:]:
    if wanted.startswith("./"):
        folder = Path(wanted)
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        info = Path("{site}") / f"{{project['name']}}-{{project['version']}}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: {{project['name']}}\\nVersion: {{project['version']}}\\n")
        points = project["entry-points"]["stigmer"].items()
        (info / "entry_points.txt").write_text("[stigmer]\\n" + "".join(f"{{k}} = {{v}}\\n" for k, v in points))
        with Path("{site}/folders.txt").open("a") as folders:
            folders.write(f"{{folder.resolve()}}\\n")
    elif wanted not in {{".", "nox"}}:
        distribution(wanted)
"""
RUN = '#!/bin/sh\nPYTHONPATH="{site}:$(tr "\\n" ":" < {site}/folders.txt)" exec "{python}" {module} "$@"\n'


class Command(NamedTuple):
    """What somebody types and, if the page shows it, what they see."""

    text: str
    expected: str


def blocks(page, *languages):
    """The code blocks of a page in these languages."""
    return [found["text"] for found in FENCE.finditer(page.read_text()) if found["language"] in languages]


def commands(page):
    """All that a page asks to be typed. A line that begins with ``> `` goes on with the one above."""
    found = []
    for block in blocks(page, "console"):
        for typed in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = typed.splitlines()
            more = next((n for n, line in enumerate(lines[1:], 1) if not line.startswith("> ")), len(lines))
            text = "\n".join([lines[0], *(line[2:] for line in lines[1:more])])
            found.append(Command(text, "\n".join(lines[more:])))
    return found


def matches(expected, output):
    """Whether output is as a page shows it: ``…`` stands for anything, and columns may be of any width."""
    squeezed = [re.sub(r"[ \t]+", " ", text).strip() for text in (expected, output)]
    pattern = ".*".join(re.escape(part.strip()) for part in squeezed[0].split("…"))
    pattern = pattern.replace("\\\n", r"\s*\n\s*").replace(".*", r"\s*.*\s*")
    return re.fullmatch(pattern, squeezed[1], re.DOTALL) is not None


class Terminal:
    """A shell in a copy of the checkout. Servers that a command starts are stopped in the end."""

    def __init__(self, root, folder):
        self._folder = folder / "stigmer"
        self._shims, self._site = folder / "shims", folder / "site"
        self._before = []
        self._servers = []
        self._address = None
        self._metrics = _free_address()
        self._lay_out(root)

    def run(self, command):
        """Types a command; a server is left to run once it serves."""
        if "stigmer serve" in command.text and "||" not in command.text:
            self._serve(command.text)
            return
        if self._address is None and re.search(rf"stigmer session|{SERVER}", command.text):
            self._serve("stigmer serve")
        text = command.text.replace(SERVER, self._address or SERVER).replace(METRICS, self._metrics)
        code, output = self._finished(text)
        assert code == 0, f"{text}\n{output}"
        assert not command.expected or matches(command.expected, output), f"{text}\n{output}\nexpected:\n{command.expected}"
        if re.match(r"\. |export ", text):
            self._before.append(text)

    def close(self):
        """Stops the servers; each ends well."""
        for server in self._servers:
            server.terminate()
        assert [server.wait(SECONDS) for server in self._servers] == [0] * len(self._servers)
        for server in self._servers:
            server.stderr.close()

    def _finished(self, text):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        done = subprocess.run(self._shell(text), timeout=SECONDS, check=False, **pipes, **self._options())
        return done.returncode, done.stdout

    def _serve(self, text):
        text = re.sub(r"^(.*\s)?(\S*stigmer serve)", r"\1exec \2", text.replace(METRICS, self._metrics))
        server = subprocess.Popen(self._shell(text), stderr=subprocess.PIPE, **self._options())
        self._servers.append(server)
        self._address = _announced(server)

    def _shell(self, text):
        return ["bash", "-euo", "pipefail", "-c", "\n".join([*self._before, text])]

    def _options(self):
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("STIGMER_", "COV_", "PYTEST_"))
        }
        home = str(self._folder.parent / "home")
        environment |= {
            "PATH": f"{self._shims}:{environment['PATH']}",
            "HOME": home,
            "XDG_DATA_HOME": home,
            "STIGMER_LISTEN": "127.0.0.1:0",
            "STIGMER_SERVER": self._address or SERVER,
        }
        return {"cwd": self._folder, "env": environment}

    def _lay_out(self, root):
        self._folder.mkdir()
        for name in ("README.md", "docs", "examples", "plugins", "protos"):
            (self._folder / name).symlink_to(root / name)
        self._site.mkdir()
        (self._site / "folders.txt").touch()
        self._shims.mkdir()
        words = {"folder": self._folder, "shims": self._shims, "site": self._site, "python": sys.executable}
        self._shim("python3", PYTHON3.format(**words))
        self._shim("pip", PIP.format(**words))
        self._shim("python", RUN.format(module="", **words))
        self._shim("stigmer", RUN.format(module="-m stigmer", **words))
        self._shim("nox", "#!/bin/sh\nexit 0\n")  # it would run these tests

    def _shim(self, name, text):
        path = self._shims / name
        path.write_text(text)
        path.chmod(0o755)


def _announced(server):
    """The address that a server says it serves on, however it words the rest."""
    deadline, seen = time.monotonic() + SECONDS, ""
    with selectors.DefaultSelector() as selector:
        selector.register(server.stderr, selectors.EVENT_READ)
        while time.monotonic() < deadline and selector.select(deadline - time.monotonic()):
            data = os.read(server.stderr.fileno(), 65536).decode()
            seen += data
            if found := re.search(r"serving on (\S+:\d+)\n", seen):
                return found[1]
            if not data:
                break
    raise AssertionError(f"no server: {seen}")


def _free_address():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


@pytest.fixture
def terminal(root, tmp_path):
    """A terminal of its own for each test."""
    found = Terminal(root, tmp_path)
    yield found
    found.close()


@pytest.fixture
def commands_of(root):
    """Gives the commands of a page, by its path."""
    return lambda page: commands(root / page)


@pytest.fixture
def blocks_of(root):
    """Gives the code blocks of a page in some languages."""
    return lambda page, *languages: blocks(root / page, *languages)


@pytest.fixture
def shown():
    """Whether an output is as a page shows it."""
    return matches
