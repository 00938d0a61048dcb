// Charts, and the page fetched again when the server says that something was committed.
"use strict";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function draw(figure) {
  const chart = JSON.parse(figure.querySelector("script").textContent);
  const place = figure.querySelector(".plot");
  const ink = colour("--faint"), grid = { stroke: colour("--line"), width: 1 };
  const axis = { stroke: ink, grid, ticks: grid, font: "12px system-ui, sans-serif" };
  const day = "{D} {MMM}", clock = "{HH}:{mm}";
  const dates = [
    [86400 * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [86400, day, "\n{YYYY}", null, null, null, null, null, 1],
    [60, clock, `\n${day}`, null, `\n${day}`, null, null, null, 1],
    [1, "{HH}:{mm}:{ss}", `\n${day}`, null, `\n${day}`, null, null, null, 1],
  ];
  const percent = (_, ticks) => ticks.map((tick) => `${tick} ${chart.unit}`);
  const lines = chart.lines.map((line, index) => ({
    label: line.label,
    stroke: colour(index ? "--control" : "--treatment"),
    fill: chart.stepped ? colour("--wash") : undefined,
    width: 2,
    spanGaps: true,
    paths: chart.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
    points: { show: chart.at.length < 3 },
    value: (_, value) => (value == null ? "–" : `${value} ${chart.unit}`),
  }));
  const options = {
    width: place.clientWidth,
    height: 200,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), chart.zone),
    scales: { y: { range: (_, low, high) => [0, chart.stepped ? 100 : Math.max(high * 1.1, 0.1)] } },
    series: [{ label: "until", value: `{D} {MMM} ${clock}` }, ...lines],
    axes: [{ ...axis, values: dates }, { ...axis, size: 64, values: percent }],
    legend: { show: chart.lines.length > 1 },
    cursor: { drag: { x: false, y: false } },
  };
  place.replaceChildren();
  return new uPlot(options, [chart.at, ...chart.lines.map((line) => line.values)], place);
}

let drawn = [];

function drawAll() {
  drawn.forEach((chart) => chart.destroy());
  drawn = [...document.querySelectorAll("figure")].map(draw);
}

const asking = () => document.querySelector("main details[open]");

// Whether the page was replaced: a form that was opened while the answer was on its way is left alone.
async function refetch() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) throw new Error(answer.statusText);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (asking()) return false;
  const { id, attributes } = document.activeElement ?? document.body;
  const href = attributes.href?.value;
  document.querySelector("main").replaceWith(fresh.querySelector("main"));
  if (id) document.getElementById(id)?.focus();
  else if (href) document.querySelector(`main a[href="${CSS.escape(href)}"]`)?.focus();
  drawAll();
  return true;
}

function follow() {
  const live = document.querySelector(".live");
  const stream = new EventSource(document.body.dataset.changes);
  const say = (words) => { if (live.textContent !== words) live.textContent = words; };
  let newest;
  const catchUp = async () => {
    if (!newest || newest === document.querySelector("main").dataset.version) return;
    try { say(!asking() && await refetch() ? "live" : "changed since you opened this form"); }
    catch { say("could not be fetched again"); }
  };
  stream.onopen = () => say("live");
  stream.onerror = () => say("not connected; trying again");
  stream.onmessage = ({ data }) => { newest = JSON.parse(data).version; catchUp(); };
  document.addEventListener("toggle", ({ target }) => { if (!target.open) catchUp(); }, true);
}

drawAll();
if (document.body.dataset.changes) follow();
let resizing;
addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(drawAll, 150); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
