"""The book: a finished claim is not run again, a changed one is; trainings are shared; the page holds the verdicts."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from markupsafe import escape
from PIL import Image

from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.report.book_page import book_page
from cardinet.reproduce.book import Book
from cardinet.reproduce.claim import Arm, Lab
from cardinet.reproduce.claims import claims, find_claim
from cardinet.reproduce.job import pages, reproduce
from cardinet.reproduce.lab import Laboratory
from cardinet.reproduce.request import Request, laboratory, resolve
from cardinet.reproduce.rules import Less, Samples, Within
from reproduce.tiny_claim import CLAIM, prepared


def test_a_finished_claim_is_not_run_again_and_a_changed_one_is(tmp_path: Path) -> None:
    ran: list[bool] = []
    first = reproduce(prepared(tmp_path), lambda claim, found, now: ran.append(now))
    again = reproduce(prepared(tmp_path), lambda claim, found, now: ran.append(now))
    stricter = dataclasses.replace(CLAIM, rule=Less("with", "without", by=0.5))
    reproduce(prepared(tmp_path, stricter), lambda claim, found, now: ran.append(now))
    assert ran == [True, False, True]
    assert first[0][1] == again[0][1]
    assert len(first[0][1].samples["with"]) == 2
    runs = list((tmp_path / "runs").iterdir())
    assert len(runs) == 4  # two arms and two seeds, not trained again for the stricter rule


def test_the_page_shows_rule_values_and_verdict_and_escapes(tmp_path: Path) -> None:
    page = book_page(reproduce(prepared(tmp_path)), "minutes")
    assert "A test &lt;claim&gt;." in page
    assert str(escape(CLAIM.rule_sentence())) in page
    assert "seed 1" in page


def test_a_damaged_document_is_named(tmp_path: Path) -> None:
    reproduce(prepared(tmp_path))
    (tmp_path / "claims" / "tiny.json").write_text('{"claim": 3}')
    with pytest.raises(WorkError, match=r"tiny\.json"):
        Book(tmp_path).finished(CLAIM, prepared(tmp_path).claims[0][1])


def test_all_faults_of_a_request_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    request = Request(names=("shortcut-matters", "equal-count"), scale="minute", seeds=0, out=tmp_path / "file")
    with pytest.raises(RequestError) as raised:
        resolve(request)
    text = " ".join(raised.value.findings)
    for part in ("shortcuts-matter", "equal-counts", "nearest: minutes", "seeds", "is a file"):
        assert part in text
    with pytest.raises(RequestError, match="--all"):
        resolve(Request())


def test_a_source_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    request = Request(every=True, data=str(tmp_path / "nowhere"), out=tmp_path / "book")
    with pytest.raises(RequestError, match="nowhere") as raised:
        resolve(request)
    assert len(raised.value.findings) == 1


def test_a_book_has_one_scale_and_names_its_damaged_documents(tmp_path: Path) -> None:
    request = Request(names=("equal-counts",), out=tmp_path)
    reproduce(resolve(request))
    with pytest.raises(RequestError, match="book of the scale minutes; give --out another folder"):
        resolve(dataclasses.replace(request, scale="hour"))
    (tmp_path / "claims" / "equal-counts.json").write_text("{")
    with pytest.raises(WorkError, match=r"equal-counts\.json is damaged.* Delete it to try equal-counts again"):
        resolve(request)


def test_pictures_that_no_claim_uses_are_checked_and_said(tmp_path: Path) -> None:
    request = Request(names=("equal-counts",), data=str(tmp_path / "nowhere"), out=tmp_path / "book")
    with pytest.raises(RequestError, match="nowhere"):
        resolve(request)
    said = "None of these claims looks at pictures, so digits is not used."
    assert resolve(dataclasses.replace(request, data="digits")).notes == (said,)


def test_faults_that_trainings_have_in_common_are_told_once(tmp_path: Path) -> None:
    for i in range(4):
        (tmp_path / "one" / "ant").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / "one" / "ant" / f"{i}.png")
    with pytest.raises(WorkError) as raised:
        resolve(Request(names=("shortcuts-matter", "unit-orders"), data=str(tmp_path / "one"), out=tmp_path / "book"))
    (finding,) = raised.value.findings
    assert finding.startswith("shortcuts-matter: with shortcuts (and 6 more trainings): ")
    assert finding.endswith('one-class: only one class, "ant"; a classifier needs two or more.')


def test_a_folder_that_is_no_book_is_left_alone(tmp_path: Path) -> None:
    request = Request(names=("equal-counts",), out=tmp_path / "mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "book.html").write_text("mine")
    with pytest.raises(RequestError, match=r"mine is no book: it holds book\.html; give --out a new folder"):
        resolve(request)
    (tmp_path / "mine" / "claims").mkdir()
    (tmp_path / "mine" / "book.html").rename(tmp_path / "page")
    (tmp_path / "mine" / "book.html").mkdir()
    with pytest.raises(RequestError, match=r"book\.html is a folder"):
        resolve(request)
    for place in (Path("/proc/book"), tmp_path / "page" / "book"):
        with pytest.raises(RequestError, match=r"cannot be (made|written)"):
            resolve(dataclasses.replace(request, out=place))


def test_a_document_that_is_damaged_is_named_whatever_is_asked_for(tmp_path: Path) -> None:
    """The page shows all claims, so a damaged document must not be found after the work."""
    reproduce(resolve(Request(names=("equal-counts",), out=tmp_path)))
    file = tmp_path / "claims" / "equal-counts.json"
    good = file.read_text()
    for bad in (
        "",
        "[]",
        good[:-20],
        good.replace('"format": 1', '"format": 2'),
        good.replace("confirmed", "sure"),
        good.replace("parameters of ResNeXt-50 / R", "R"),
        re.sub(r"\[\s*0\.9[^]]*\]", "[]", good),
    ):
        assert bad != good
        file.write_text(bad)
        with pytest.raises(WorkError, match=r"equal-counts\.json is damaged: .* Delete it to try equal-counts again"):
            resolve(Request(names=("forms-are-equal",), out=tmp_path))
    assert [path.name for path in (tmp_path / "claims").iterdir()] == [file.name]


def test_what_is_tried_again_for_other_pictures_or_seeds_is_said(tmp_path: Path) -> None:
    request = Request(names=("equal-counts", "shortcuts-matter"), out=tmp_path)
    matter = find_claim("shortcuts-matter")
    reproduce(resolve(dataclasses.replace(request, names=("equal-counts",))))
    values = dict.fromkeys(matter.arms("minutes"), (0.1, 0.2, 0.3))
    Book(tmp_path).write(matter, laboratory(matter, request), values, 1.0)
    assert resolve(request).notes == ()
    said = "Finished with another rule, other arms, pictures or seeds, so tried again: shortcuts-matter."
    assert resolve(dataclasses.replace(request, seeds=2)).notes == (said,)
    file = tmp_path / "claims" / "shortcuts-matter.json"
    file.write_text(re.sub('"design": "[^"]*"', '"design": "other"', file.read_text()))
    assert resolve(request).notes == (said,)
    assert resolve(dataclasses.replace(request, names=("equal-counts",))).notes == ()


def test_the_gpu_scale_without_a_gpu_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    request = Request(every=True, scale="gpu", data="digits", out=tmp_path)
    with pytest.raises(RequestError, match='"cuda" is not there') as raised:
        resolve(request)
    assert len(raised.value.findings) == 1


def test_a_scale_that_is_too_large_for_the_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardinet.measure.available_memory.available_memory", lambda device: 2**20)
    with pytest.raises(CardinetError, match=r"shortcuts-matter: with shortcuts .*: .*GB") as raised:
        resolve(Request(names=("shortcuts-matter",), out=tmp_path / "book"))
    assert len(raised.value.findings) == 1
    assert not (tmp_path / "book").exists()


def test_a_claim_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    def fails(lab: Lab) -> Samples:
        raise WorkError("It cannot be measured.")

    ready = prepared(tmp_path, dataclasses.replace(CLAIM, id="failing", measure=fails))
    both = dataclasses.replace(ready, claims=(*ready.claims, *prepared(tmp_path).claims))
    ran: list[str] = []
    with pytest.raises(WorkError, match=r"^failing: It cannot be measured\.$"):
        reproduce(both, lambda claim, found, now: ran.append(claim.id))
    assert ran == ["tiny"]


def test_the_page_of_a_book_shows_what_is_not_tried(tmp_path: Path) -> None:
    request = Request(names=("equal-counts",), out=tmp_path)
    empty = book_page(pages(request), "minutes")
    assert "No claim tried yet" in empty
    reproduce(resolve(request))
    page = book_page(pages(request), "minutes")
    assert "1 of 1\u00a0claim confirmed" in page
    for claim in claims().values():
        assert str(escape(claim.statement)) in page
        assert f'id="{claim.id}"' in page


def test_the_command_that_continues_names_all_that_was_asked(tmp_path: Path) -> None:
    request = Request(every=True, seeds=2, data="a b", out=tmp_path)
    assert request.command == f"cardinet reproduce --all --scale minutes --data 'a b' --seeds 2 --out {tmp_path}"


def test_faults_of_an_arm_are_found_before_any_training(tmp_path: Path) -> None:
    absent = Arm(network="resnet20_cifar", settings={"data.source": str(tmp_path)})
    wrong = dataclasses.replace(CLAIM, arms=lambda scale: {"with": absent})
    lab: Laboratory = laboratory(wrong, Request(names=("tiny",), out=tmp_path / "book"), lambda what, done, total: None)
    ((name, error),) = lab.faults()
    assert (name, type(error)) == ("with", WorkError)
    assert not (tmp_path / "book").exists()


QUICK = (
    "aggregated-special-cases",
    "equal-counts",
    "forms-are-equal",
    "attention-costs-little",
    "reduced-inception",
    "repvgg-is-one-function",
    "stochastic-depth-mean-depth",
)


@pytest.mark.parametrize("name", QUICK)
def test_claims_without_a_training_are_confirmed(name: str, tmp_path: Path) -> None:
    claim = find_claim(name)
    lab = laboratory(claim, Request(names=(name,), out=tmp_path), lambda what, done, total: None)
    samples = claim.measure(lab)
    assert claim.rule.verdict(samples).outcome == "confirmed", samples


def test_a_rule_that_does_not_hold_is_said() -> None:
    assert Within("x", 0, 1).verdict({"x": (2.0,)}).outcome == "contradicted"
