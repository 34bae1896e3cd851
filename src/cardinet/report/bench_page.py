"""What a benchmark has found: its table, and its page with a bar for each contender."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cardinet.base.files import write_atomic
from cardinet.base.version import __version__
from cardinet.bench.contest import Contest
from cardinet.bench.growing import Grown
from cardinet.bench.job import Result
from cardinet.bench.request import MEASURES
from cardinet.explain.answer import Answer, Section
from cardinet.explain.figures import Bar, Bars, Table
from cardinet.report.bench_layers import layer_section
from cardinet.report.explain_page import About, answer_page
from cardinet.report.number_text import MISSING

COLUMNS = ("contender", "ms", "quartiles", "images/s", "x best other", "quartiles of x", "of roofline", "peak MB")


def title(contest: Contest) -> str:
    """The work of a contest in words."""
    work = contest.work
    return f"{work.measure} ({MEASURES[work.measure]}), {work.precision}, batch {work.batch}"


def cells(contest: Contest) -> Iterator[tuple[str, ...]]:
    """The rows of the table of a contest, the fastest first."""
    latency = contest.latency
    for entry in sorted(contest.entries, key=lambda one: latency.median[one.contender]):
        name = entry.contender
        low, high = latency.quartiles(name)
        against, share = contest.against_best(name), contest.share(name)
        yield (
            name,
            f"{latency.median[name]:.4g}",
            f"{low:.4g} to {high:.4g}",
            f"{contest.images_per_second(name):.4g}",
            MISSING if against is None else f"{against[1]:.2f}",
            MISSING if against is None else f"{against[2][0]:.2f} to {against[2][1]:.2f}",
            MISSING if share is None else f"{100 * share:.0f} %",
            MISSING if entry.peak is None else f"{entry.peak / 1e6:.0f}",
        )


def machine_text(found: Result | Grown) -> str:
    """The machine in one line."""
    about = found.machine
    what = about.get("gpu", about["cpu"])
    known = ", ".join(about["features"])
    return f"{what}, {about['cores']} cores, {about['threads']} threads ({known}); torch {about['versions']['torch']}"


def peaks_text(found: Result | Grown) -> str:
    """The measured peaks in one line."""
    products = ", ".join(f"{rate / 1e9:.0f} {name}" for name, rate in found.peaks.operations.items())
    return f"measured peaks: {products} GFLOP/s in matrix products, {found.peaks.copy / 1e9:.1f} GB/s in a copy"


def write_page(found: Result, path: Path) -> None:
    """Write the page, whole or not at all."""
    write_atomic(path, page(found))


def page(found: Result) -> str:
    """The page as an HTML document."""
    facts = {"input size": str(found.side), "seed": str(found.seed), **machine_facts(found)}
    return answer_page(
        answer_of(found),
        About(found.network, found.model, "", facts, found.notes, f"Made by Cardinet {__version__}: cardinet bench"),
    )


def machine_facts(found: Result | Grown) -> dict[str, str]:
    """The machine, its versions and its load, by name."""
    about = found.machine
    facts = {"threads": str(about["threads"]), "processor": about.get("gpu", about["cpu"]), "cores": about["cores"]}
    facts |= {"system": about["system"], "instruction sets": ", ".join(about["features"])}
    facts |= {"commit": about["commit"] or MISSING, **about["versions"]}
    for when, load in found.load.items():
        busy = load["busy_cores"]
        facts[f"busy cores at the {when}"] = MISSING if busy is None else f"{busy:.2f}"
    return facts


def answer_of(found: Result) -> Answer:
    """The result as sentences, figures and tables."""
    return Answer(
        title="How fast is it here?",
        lead=[_sentence(contest) for contest in found.contests],
        sections=[*map(_section, found.contests), *map(layer_section, found.layers)],
        document=found.to_document(),
        strip=peaks_strip(found),
        limits=(
            "These are times of one machine on one day, with new random pictures. The floor counts every number that "
            "moves between memory and processor once; a network that stays in the cache can pass it.",
        ),
    )


def peaks_strip(found: Result | Grown) -> dict[str, str]:
    """The measured peaks by name."""
    products = {f"peak {name}": f"{rate / 1e9:.0f} GFLOP/s" for name, rate in found.peaks.operations.items()}
    return {**products, "peak copy": f"{found.peaks.copy / 1e9:.1f} GB/s"}


def _sentence(contest: Contest) -> str:
    """Who is the fastest, and by how much."""
    if not contest.entries:
        return f"{title(contest)}: no contender could be timed."
    median = contest.latency.median
    best = min(median, key=median.__getitem__)
    against = contest.against_best(best)
    ahead = "" if against is None else f", {against[1]:.2f} times as fast as {against[0]}"
    return f"{title(contest)}: {best} is the fastest with {median[best]:.4g} ms{ahead}."


def _section(contest: Contest) -> Section:
    latency = contest.latency
    order = sorted(contest.entries, key=lambda one: latency.median[one.contender]) if contest.entries else []
    bars = [Bar(one.contender, latency.median[one.contender], spread=latency.quartiles(one.contender)) for one in order]
    left = [f"Left out: {name}: {reason}." for name, reason in contest.left_out.items()]
    level = None if contest.floor is None else (contest.floor, "floor")
    figures: list[Bars | Table] = []
    if bars:
        note = f"median and quartiles of {latency.rounds} rounds; low is good"
        figures = [
            Bars("Time of a batch", "", "milliseconds", bars, note=note, level=level),
            Table("All figures", COLUMNS, [*cells(contest)]),
        ]
    return Section(title(contest)[:1].upper() + title(contest)[1:], left, figures)
