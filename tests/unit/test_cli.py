"""The command line: every job, the same settings as the page, one event a line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bigmodel.__main__ import main, parser
from bigmodel.commands import JOBS
from bigmodel.commands.output import as_json
from bigmodel.train import Epoch

ROOT = Path(__file__).parents[2]


def lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    """Run a job with --json; its events."""
    assert main([*arguments, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_train_ends_with_the_test_scores(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line names its event first; the last is the result, with the scores of the article's network."""
    assert main(["train", "--dataset", "article", "--json"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert all(line.startswith('{"event": ') for line in out)
    events = [json.loads(line) for line in out]
    assert [e["number"] for e in events if e["event"] == "epoch"] == list(range(11))
    result = events[-1]
    assert result["event"] == "result"
    assert set(result["test"]) >= {"accuracy", "precision", "recall", "f1", "auc"}
    assert 0.85 < result["test"]["accuracy"] < 1


def test_compare_ranks_the_rates(capsys: pytest.CaptureFixture[str]) -> None:
    """The rates come back ranked by validation loss."""
    result = lines(capsys, "compare", "--rates", "0.001,0.01,0.1", "--epochs", "3")[-1]
    ranking = result["ranking"]
    assert sorted(row["learning_rate"] for row in ranking) == [0.001, 0.01, 0.1]
    losses = [row["valid_loss"] for row in ranking]
    assert losses == sorted(losses)


def test_compare_lets_the_finders_vote(capsys: pytest.CaptureFixture[str]) -> None:
    """The result holds every rule's vote with its regret, the text a line for each."""
    race = ("compare", "--rates", "0.01,0.1", "--epochs", "2", "--dataset", "moons", "--optimizer", "sgd")
    (case,) = lines(capsys, *race)[-1]["finders"]
    assert {vote["rule"] for vote in case["votes"]} >= {"valley", "lightning_new", "stability"}
    assert lines(capsys, *race, "--finders", "no")[-1]["finders"] == []
    assert main(list(race)) == 0
    assert "fastai valley" in capsys.readouterr().out


def test_finders_write_their_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One command measures the table: an event per case, and the page as a file."""
    out = tmp_path / "page.md"
    small = ("--datasets", "moons", "--optimizers", "adam", "--count", "5", "--seeds", "2", "--epochs", "1")
    events = lines(capsys, "finders", *small, "--width", "4", "--out", str(out))
    assert [event["event"] for event in events] == ["case", "result"]
    assert "| fastai valley |" in out.read_text(encoding="utf-8")


def test_generate_is_the_same_for_a_seed(capsys: pytest.CaptureFixture[str]) -> None:
    """The shipped model continues a prompt; its pieces make the text, and the seed decides it."""
    one, two = (
        lines(capsys, "generate", "--prompt", "I love", "--seed", "1", "--max-new-tokens", "12") for _ in range(2)
    )
    assert one[-1]["text"] == "".join(e["text"] for e in one if e["event"] == "piece" and e["number"])
    assert one[-1]["text"] == two[-1]["text"]
    assert one[-1]["seed"] == 1
    assert one[-1]["tokens"] <= 12
    assert one[-1]["tokens_per_second"] > 0


def test_transcribe_takes_several_files(capsys: pytest.CaptureFixture[str]) -> None:
    """Each file gets its own result, with words that have times and confidence."""
    example = str(ROOT / "bigmodel" / "pretrained" / "speech-en" / "example.flac")
    results = [e for e in lines(capsys, "transcribe", example, example) if e["event"] == "result"]
    assert [result["file"] for result in results] == [example, example]
    words = results[0]["words"]
    assert " ".join(word["text"] for word in words) == results[0]["text"]
    assert all(0 <= word["start"] < word["end"] and 0 <= word["confidence"] <= 1 for word in words)


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """The shipped models come first, with their task and size."""
    models = lines(capsys, "models")
    assert {"text-en", "text-zh", "speech-en"} == {m["name"] for m in models if m["source"] == "shipped"}
    assert models[0]["source"] == "shipped"
    assert any(m["name"].endswith("gpt2") for m in models)


@pytest.mark.parametrize("job", list(JOBS))
def test_every_job_has_help(job: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help explains every option of every job."""
    with pytest.raises(SystemExit) as ended:
        main([job, "--help"])
    assert ended.value.code == 0
    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--learning-rate", "1e9"], "Learning rate is 1000000000.0; it must be between"),
        (["train", "--dataset", "nothing"], "Data set is nothing"),
        (["train", "--epochs", "ten"], "--epochs"),
        (["train", "--table", "/nowhere/table.csv"], "table.csv"),
        (["compare", "--rates", "0.1,0.1"], "0.1"),
        (["finders", "--datasets", "moons,nowhere"], "nowhere"),
        (["generate", "--max-new-tokens", "0"], "Length is 0"),
        (["generate", "--prompt", "one two three " * 500], "512"),
        (["generate", "--model", "not a name"], "not a name"),
        (["transcribe", "/nowhere/talk.wav"], "talk.wav"),
        (["bench", "--only", "nothing"], "nothing"),
        (["recipe", "text-en", "--data", "/nowhere"], "/nowhere"),
        (["fly"], "fly"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], said: str) -> None:
    """Bad input is one sentence on stderr, nothing on stdout, exit code 2."""
    run = subprocess.run([sys.executable, "-m", "bigmodel", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stdout == ""
    assert len(run.stderr.strip().splitlines()) == 1, run.stderr
    assert said in run.stderr


def test_chinese_words(capsys: pytest.CaptureFixture[str]) -> None:
    """--words zh says everything in Chinese."""
    assert main(["train", "--epochs", "1", "--words", "zh"]) == 0
    assert "准确率" in capsys.readouterr().out


def test_numbers_that_are_none_are_null() -> None:
    """NaN and infinities become null, so that every line is strict JSON; bytes become text."""
    nan = float("nan")
    epoch = Epoch(1, 2, 3, 4, 0.5, 0.1, nan, float("inf"), nan, 0.5, (), surface=b"\x00\xff", ended="diverged")
    event = json.loads(as_json(epoch))
    assert next(iter(event)) == "event"
    assert event["train_loss"] is None
    assert event["valid_loss"] is None
    assert event["surface"] == "AP8="


def test_only_the_chosen_job_is_loaded() -> None:
    """Asking for a small job does not load the recipes, and with them torch."""
    code = "import sys\nfrom bigmodel.__main__ import parser\nparser('models')\nprint('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
    assert parser("train").parse_args(["train", "--widths", "8,8"]).widths == (8, 8)
