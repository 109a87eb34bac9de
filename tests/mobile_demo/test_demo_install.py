"""The installer of the demo on machines that are made up, and its service."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keras_portrait_demo.booth import printing
from keras_portrait_demo.live import Live

DEMO = Path(__file__).resolve().parents[2] / "mobile_demo"


@pytest.fixture
def install(tmp_path):
    """Runs `install.sh --dry-run` on a machine that is made up."""
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for name in ("bash", "dirname", "mktemp", "rm", "sed"):
        (stubs / name).symlink_to(shutil.which(name))

    def stub(name: str, text: str):
        (stubs / name).write_text(f"#!{shutil.which('sh')}\n{text}\n")
        (stubs / name).chmod(0o755)

    def run(release: str, machine="aarch64", bits=64, user=1000, options=(), script=DEMO):
        (tmp_path / "os-release").write_text(release)
        stub("uname", f"echo {machine}")
        stub("getconf", f"echo {bits}")
        stub("id", f"[ $1 = -u ] && echo {user} || echo maria")
        stub("getent", "exit 2")
        return subprocess.run(
            [str(script / "install.sh"), "--dry-run", *options],
            env={"PATH": str(stubs), "OS_RELEASE": str(tmp_path / "os-release")},
            capture_output=True,
            text=True,
        )

    return run


BOOKWORM = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n'
TRIXIE = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_CODENAME=trixie\nID=debian\n'
PIP = "/opt/portrait-demo/venv/bin/python -m pip install"


@pytest.mark.parametrize(("release", "numpy"), [(BOOKWORM, r" numpy\<2"), (TRIXIE, "")])
def test_install_on_64_bits(install, release, numpy):
    done = install(release)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    *before, try_out, link = lines
    assert before == [
        "sudo apt-get update",
        "sudo apt-get install --yes --no-install-recommends python3-venv python3-picamera2 "
        "python3-gpiozero python3-lgpio",
        "sudo install -d -o maria /opt/portrait-demo",
        "python3 -m venv --system-site-packages /opt/portrait-demo/venv",
        f"{PIP} {DEMO.parent}{numpy}",
    ]
    command, photo = re.fullmatch(r"(\S+) --once (\S+) -o \S+\.png", try_out).groups()
    assert command == "/opt/portrait-demo/venv/bin/portrait-demo" and Path(photo).is_file()
    assert link == f"sudo ln -sf {command} /usr/local/bin/portrait-demo"


def test_install_the_service(install):
    done = install(BOOKWORM, options=["--service"])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()[7:]
    assert lines == [
        "sudo useradd --system --user-group --no-create-home --shell /usr/sbin/nologin "
        "portrait-demo",
        f"sudo install -m 644 {DEMO}/portrait-demo.service "
        "/etc/systemd/system/portrait-demo.service",
        f"sudo install -m 600 {DEMO}/portrait-demo.default /etc/default/portrait-demo",
        "sudo systemctl daemon-reload",
        "sudo systemctl enable portrait-demo",
        "sudo systemctl restart portrait-demo",
    ]


def test_an_installed_copy_installs_nothing(install, tmp_path):
    package = tmp_path / "site packages" / "keras_portrait_demo"
    package.mkdir(parents=True)
    shutil.copy(DEMO / "install.sh", package)
    done = install(TRIXIE, script=package)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"install.sh: Run it from a checkout of the repository. Received: {package}\n"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"release": BOOKWORM.replace("debian", "raspbian"), "machine": "armv7l", "bits": 32}, 3),
        ({"release": BOOKWORM, "bits": 32}, 3),  # under a 64-bit kernel
        ({"release": BOOKWORM, "machine": "x86_64"}, 1),
        ({"release": BOOKWORM.replace("bookworm", "bullseye")}, 2),
        ({"release": "ID=ubuntu\nVERSION_CODENAME=noble\n"}, 2),
        ({"release": "ID=arch\n"}, 2),
        ({"release": BOOKWORM, "user": 0}, 1),
        ({"release": BOOKWORM, "options": ["--quick"]}, 4),
    ],
)
def test_machines_that_are_refused(install, given, expected):
    done = install(**given)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("install.sh: ") and len(done.stderr.splitlines()) == expected
    if given.get("bits") == 32:
        assert "Flash Raspberry Pi OS (64-bit)" in done.stderr and "32 bits\n" in done.stderr


def unit() -> dict[str, list[str]]:
    """The settings of the service, each with its values."""
    settings = {}
    for line in (DEMO / "portrait-demo.service").read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            settings.setdefault(name, []).append(value)
    return settings


def test_the_service_starts_what_the_installer_installs(install):
    settings = unit()
    [start] = settings["ExecStart"]
    assert f"{start.split()[0]} --once" in install(BOOKWORM).stdout
    assert settings["EnvironmentFile"] == ["-/etc/default/portrait-demo"]
    assert settings["SupplementaryGroups"] == ["video gpio"]
    assert not {"PrivateDevices", "DevicePolicy", "DeviceAllow", "ProtectClock"} & set(settings)
    # Twice for a print, once for each of the threads that draw and of those that serve.
    limits = 2 * printing._LAST_SECONDS + Live.stop.__defaults__[0] + 2
    assert int(settings["TimeoutStopSec"][0]) > limits


def test_the_options_of_the_service_are_options_of_the_demo(capsys):
    import shlex

    from keras_portrait_demo.__main__ import _parser

    lines = (DEMO / "portrait-demo.default").read_text().splitlines()
    options = [re.fullmatch(r"(?:# )?OPTIONS='(.*)'", line) for line in lines]
    examples = [shlex.split(match[1]) for match in options if match]
    assert len(examples) == 2 and examples[1] == []
    parsed = _parser().parse_args(examples[0])
    assert (parsed.button, parsed.print_command) == ("17", "lp -o fit-to-page {}")


def test_systemd_takes_the_service(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    text = (DEMO / "portrait-demo.service").read_text()
    command = unit()["ExecStart"][0].split()[0]
    (tmp_path / "portrait-demo.service").write_text(text.replace(command, sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "portrait-demo.service")],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")
