#!/usr/bin/env python3
"""Draws a dashboard of proto-examples/grafana from a running Prometheus, roughly as Grafana lays it out, without a Grafana.

    python3 -m venv .venv && .venv/bin/pip install matplotlib
    .venv/bin/python plot.py http://127.0.0.1:9090 ../../proto-examples/grafana/dashboards/emmett.json emmett.png --minutes 10

Panels: timeseries, stat, table, heatmap.
"""

import argparse
import json
import math
import re
import time
import urllib.parse
import urllib.request

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402
from PIL import Image  # noqa: E402

INK, PAPER, PANEL, FAINT = "#d8d9da", "#111217", "#181b1f", "#2c3235"
COLOURS = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0", "#37872d", "#fade2a"]
NAMED = {"green": "#73bf69", "yellow": "#f2cc0c", "red": "#f2495c"}


def number(value: float, unit: str, decimals: int | None = None) -> str:
    """A value as Grafana writes it, roughly: three digits unless the panel says how many decimals."""

    def form(number: float) -> str:
        return f"{number:.0f}" if abs(number) >= 1000 else f"{number:.3g}" if decimals is None else f"{number:.{decimals}f}"

    if math.isnan(value):
        return "NaN"
    if unit in ("percent", "percentunit"):
        return form(value * (100 if unit == "percentunit" else 1)) + " %"
    if unit == "s":
        return f"{form(value * 1000)} ms" if abs(value) < 1 else f"{form(value)} s" if value < 120 else f"{form(value / 60)} min"
    if unit in ("bytes", "Bps"):
        factor, name = next((f for f in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")) if abs(value) >= f[0]), (1, "B"))
        return f"{form(value / factor)} {name}" + ("/s" if unit == "Bps" else "")
    ending = {"cps": " /s", "reqps": " /s"}.get(unit, "")
    return (f"{value / 1e6:.3g} M" if abs(value) >= 1e6 else f"{value / 1000:.3g} K" if abs(value) >= 1e4 else form(value)) + ending


class Source:
    def __init__(self, url: str, minutes: float, interval: str):
        self.url, self.end = url, time.time()
        self.words = {"$__rate_interval": interval, "$__range": f"{int(minutes * 60)}s"}
        self.start, self.minutes = self.end - minutes * 60, minutes

    def choose_all(self, dashboard: dict) -> None:
        """Every value of every variable, as Grafana's All is."""
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()
                values = [re.escape(s["metric"][label]).replace("\\", "\\\\") for s in self.now(f"count by ({label}) ({metric})")]
                self.words[f"${variable['name']}"] = "|".join(values)

    def ask(self, path: str, **words) -> list[dict]:
        for name, value in self.words.items():
            words["query"] = words["query"].replace(name, value)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(words)}") as answer:
            return json.load(answer)["data"]["result"]

    def range(self, query: str) -> list[dict]:
        return self.ask("query_range", query=query, start=self.start, end=self.end, step=max(1, int(self.minutes * 60 / 240)))

    def now(self, query: str) -> list[dict]:
        return self.ask("query", query=query, time=self.end)


def legend(target: dict, metric: dict) -> str:
    form = target["legendFormat"]
    if form == "__auto":
        return ", ".join(f"{k}={v}" for k, v in metric.items() if k != "__name__") or "value"
    return re.sub(r"{{(\w+)}}", lambda name: metric.get(name[1], ""), form)


def draw_timeseries(axes, panel: dict, source: Source) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    lines = [(legend(t, s["metric"]), s["values"]) for t in panel["targets"] for s in source.range(t["expr"])]
    stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    below: dict[float, float] = {}
    for colour, (label, values) in zip(COLOURS * 3, lines):
        x = [(t - source.end) / 60 for t, _ in values]
        y = [float(v) for _, v in values]
        if stacked:
            base = [below.get(t, 0.0) for t, _ in values]
            y = [b + (0.0 if math.isnan(v) else v) for b, v in zip(base, y)]
            below |= {t: v for (t, _), v in zip(values, y)}
            axes.fill_between(x, base, y, color=colour, alpha=0.25, linewidth=0)
        axes.plot(x, y, color=colour, linewidth=1.1, label=label[:44])
    axes.set_ylim(bottom=0, top=defaults.get("max"))
    axes.set_xlim(-source.minutes, 0)
    axes.yaxis.set_major_formatter(lambda v, _: number(v, defaults["unit"]))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:.0f} min" if v else "now")
    axes.grid(color=FAINT, linewidth=0.5)
    axes.tick_params(colors=INK, labelsize=6, length=0)
    if lines:
        # What fits: letters of the longest name, on a panel so many columns of 24 wide.
        columns = max(1, panel["gridPos"]["w"] * 10 // (max(len(label) for label, _ in lines) + 6))
        axes.legend(fontsize=6, ncols=min(columns, 6), loc="upper left", bbox_to_anchor=(0, -0.1), frameon=False, labelcolor=INK, handlelength=1, borderpad=0, columnspacing=1)
    else:
        axes.text(0.5, 0.5, "No data", color=INK, ha="center", transform=axes.transAxes)


def draw_stat(axes, panel: dict, source: Source) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    axes.axis("off")
    found = source.now(panel["targets"][0]["expr"])
    value = float(found[0]["value"][1]) if found else math.nan
    steps = [s["color"] for s in defaults["thresholds"]["steps"] if s["value"] is None or value >= s["value"]]
    text = number(value, defaults["unit"], defaults.get("decimals")) if found else "No data"
    for mapping in defaults.get("mappings", []):
        text = mapping["options"].get(f"{value:g}", {}).get("text", text)
    axes.text(0.5, 0.42, text, color=NAMED.get(steps[-1] if steps else "green", INK), fontsize=17, ha="center", va="center", transform=axes.transAxes)


def draw_table(axes, panel: dict, source: Source) -> None:
    axes.axis("off")
    options = panel["transformations"][0]["options"]
    columns = sorted(options["indexByName"], key=options["indexByName"].get)
    unit = panel["fieldConfig"]["defaults"]["unit"]
    rows = sorted(source.now(panel["targets"][0]["expr"]), key=lambda s: -float(s["value"][1]))[:8]
    cells = [[*(s["metric"].get(c, "") for c in columns[:-1]), number(float(s["value"][1]), unit)] for s in rows]
    if not cells:
        axes.text(0.5, 0.5, "No data", color=INK, ha="center", transform=axes.transAxes)
        return
    table = axes.table(cellText=cells, colLabels=[*columns[:-1], options["renameByName"]["Value"]], loc="upper left", cellLoc="left", edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    table.auto_set_column_width(range(len(columns)))
    for (row, _), cell in table.get_celld().items():
        cell.set_edgecolor(FAINT)
        cell.get_text().set_color("#8ab8ff" if row == 0 else INK)


def draw_heatmap(axes, panel: dict, source: Source) -> None:
    series = sorted(source.range(panel["targets"][0]["expr"]), key=lambda s: float(s["metric"]["le"]))
    if not series:
        return
    times = sorted({t for s in series for t, _ in s["values"]})
    below, rows = dict.fromkeys(times, 0.0), []
    for s in series:
        values = {t: float(v) for t, v in s["values"]}
        rows.append([max(0.0, values.get(t, 0.0) - below[t]) for t in times])
        below |= values
    x = [(t - source.end) / 60 for t in times]
    axes.pcolormesh(x, range(len(rows)), rows, cmap="Oranges_r", shading="nearest")
    axes.set_facecolor(PANEL)
    axes.set_yticks(range(len(rows)), [s["metric"]["le"] for s in series])
    axes.set_xlim(-source.minutes, 0)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:.0f} min" if v else "now")
    axes.tick_params(colors=INK, labelsize=6, length=0)


DRAW = {"timeseries": draw_timeseries, "stat": draw_stat, "table": draw_table, "heatmap": draw_heatmap}


def draw(dashboard: dict, source: Source, path: str) -> None:
    source.choose_all(dashboard)
    panels = dashboard["panels"]
    height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels) + 1.4
    unit = 0.31  # inches of one row of Grafana's grid; a column is twice as wide
    figure = plt.figure(figsize=(12, height * unit), facecolor=PAPER)
    figure.text(0.012, 1 - 0.9 / height, dashboard["title"], color=INK, fontsize=12, weight="bold")
    for panel in panels:
        at = panel["gridPos"]
        x, w = at["x"] / 24, at["w"] / 24
        top, h = 1 - (at["y"] + 1.4) / height, at["h"] / height
        if panel["type"] == "row":
            figure.text(x + 0.012, top - h * 0.7, panel["title"], color=INK, fontsize=9, weight="bold")
            continue
        box = plt.Rectangle((x + 0.003, top - h + 0.1 / height), w - 0.006, h - 0.2 / height, facecolor=PANEL, edgecolor=FAINT, linewidth=0.6, transform=figure.transFigure, zorder=-1)
        figure.add_artist(box)
        figure.text(x + 0.01, top - 0.85 / height, panel["title"], color=INK, fontsize=7.5)
        graph = panel["type"] in ("timeseries", "heatmap")
        left, foot = (0.045 if graph else 0.01), (2.6 if panel["type"] == "timeseries" else 1.0 if graph else 0.2)
        axes = figure.add_axes((x + left, top - h + foot / height, w - left - 0.012, h - (foot + 1.3) / height), facecolor=PANEL)
        for side in axes.spines.values():
            side.set_visible(False)
        DRAW[panel["type"]](axes, panel, source)
    figure.savefig(path, dpi=80, facecolor=PAPER)
    # A third of the size, and no eye sees it.
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(200, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prometheus")
    parser.add_argument("dashboard")
    parser.add_argument("picture")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--interval", default="1m", help="$__rate_interval")
    args = parser.parse_args()
    with open(args.dashboard) as file:
        draw(json.load(file), Source(args.prometheus, args.minutes, args.interval), args.picture)


if __name__ == "__main__":
    main()
