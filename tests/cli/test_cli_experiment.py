import shlex
import sys

import pytest

from keras_portrait.experiments import conduct
from keras_portrait.experiments.plan import NAME

SMALL = shlex.split("--recipe portrait-tiny.toml -s data.size=64")


@pytest.fixture
def desk(tmp_path):
    """An empty folder."""
    (tmp_path / "desk").mkdir()
    return tmp_path / "desk"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("comparision DATA -o out", 'Did you mean "comparison"? Received: comparision'),
        ("ablations nowhere -o out", "Expected a folder made by `portrait prepare`"),
        ("ablations DATA -o out --steps 3 --hours 2", "either --steps or --hours. Received: 3"),
        (
            "ablations DATA -o out --hours 0",
            "--hours: expected more than 0, below 10000. Received: 0",
        ),
        (
            "ablations DATA -o out --hours nan",
            "--hours: expected more than 0, below 10000. Received: nan",
        ),
        ("report DATA -o out --from portrait", "--from is for the experiment styles. Received:"),
        ("styles DATA -o out --reference no.png", "expected a picture file. Received: no.png"),
        ("ablations DATA -o out --photos nowhere", "Received: nowhere"),
        ("ablations DATA -o out", "held back"),
        ("ablations DATA -o DATA/out", "-o lies in the folder of data"),
        ("ablations DATA -o DATA/../data", "-o lies in the folder of data"),
        ("ablations DATA -o there/out --photos there", "-o lies in the folder of --photos"),
        ("ablations DATA -o out --recipe cyclegan.toml", "ablations trains asymmetric_cycle"),
        ("ablations DATA -o out -s loss.stlye=3", 'Did you mean "loss.style"'),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    portrait, drawn_data, desk, monkeypatch, arguments, message
):
    monkeypatch.chdir(desk)
    given = shlex.split(arguments.replace("DATA", str(drawn_data)))
    size = [] if "--recipe" in given else SMALL
    code, out, err = portrait("experiment", *given, *size)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and message in err
    assert list(desk.iterdir()) == []


def test_a_dry_run_prints_the_plan_and_writes_nothing(portrait, drawn_data, tmp_path):
    folder = tmp_path / "out"
    command = ["experiment", "ablations", drawn_data, "-o", folder, *SMALL, "--steps", 20]
    code, out, err = portrait(*command, "--dry-run")
    assert (code, err) == (0, "") and not folder.exists()
    lines = out.splitlines()
    assert lines[0] == "full: portrait-tiny.toml; 20 steps in 10 epochs"
    assert lines[3] == (
        "strict-cycle: portrait-tiny.toml -s loss.forward_cycle=l1; 20 steps in 10 epochs"
    )
    assert len(lines) == 7
    assert lines[6] == (
        f"then an evaluation on held-back photos of {drawn_data}, and {folder / 'index.html'}"
    )


def test_the_folder_of_another_experiment_is_refused(portrait, drawn_data, desk):
    (desk / NAME).write_text('{"experiment": "report", "format": 1}')
    code, _, err = portrait("experiment", "ablations", drawn_data, "-o", desk, *SMALL)
    assert code == 2 and f"{desk} holds the experiment report." in err
    assert [path.name for path in desk.iterdir()] == [NAME]


def test_what_is_asked_for_reaches_the_work(portrait, drawn_data, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        conduct, "conduct", lambda plan, means: seen.append((plan, means)) or "page"
    )
    folder, photos = tmp_path / "out", tmp_path / "others"
    more = ("--photos", photos, "--count", 3, "--steps", 9, "--no-photos", *SMALL)
    code, out, _ = portrait("experiment", "ablations", drawn_data, "-o", folder, *more)
    assert (code, out) == (0, "page\n")
    [(plan, means)] = seen
    assert (plan.wishes.photos, plan.wishes.count, plan.wishes.steps) == (photos, 3, 9)
    assert not means.photos and means.photo is None
    monkeypatch.setattr(conduct, "markdown_table", lambda plan: "| table |")
    command = ("experiment", "ablations", drawn_data, "-o", folder, *more, "--markdown")
    assert portrait(*command)[1] == "| table |\npage\n"
    assert seen[1][1].command == shlex.join(["portrait", *sys.argv[1:]])


def test_ctrl_c_says_how_to_go_on(portrait, drawn_data, tmp_path, monkeypatch):
    def stop(plan, means):
        raise KeyboardInterrupt

    monkeypatch.setattr(conduct, "conduct", stop)
    command = ("experiment", "ablations", drawn_data, "-o", tmp_path / "out", *SMALL)
    code, out, err = portrait(*command)
    assert (code, out) == (130, "")
    assert err == f"stopped; the same command goes on: {tmp_path / 'out'}\n"
