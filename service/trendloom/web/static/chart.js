// The history of one trend. It draws the numbers of the table beneath it, so that both always say the same.
"use strict";
(() => {
  const place = document.getElementById("chart");
  const table = document.getElementById("points");
  const read = document.getElementById("read");
  if (!place || !table || !window.uPlot) return;

  const rows = [...table.tBodies[0].rows].reverse();
  const number = (cell, at) => {
    const found = cell && cell.querySelectorAll("data")[at];
    return found ? Number(found.value) : null;
  };
  const stamps = rows.map((row) => Date.parse(row.querySelector("time").dateTime) / 1000);
  const share = rows.map((row) => number(row.cells[1], 0));
  const low = rows.map((row) => number(row.cells[2], 0));
  const high = rows.map((row) => number(row.cells[2], 1));
  const year = Number(place.dataset.year);
  const then = rows.map((_, at) => (at >= year ? share[at - year] : null));
  const since = place.dataset.since ? Date.parse(place.dataset.since) / 1000 : null;
  const said = place.dataset.said;

  const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
  const day = (stamp) => {
    const at = new Date(stamp * 1000);
    return `${at.getUTCDate()} ${months[at.getUTCMonth()]} ${at.getUTCFullYear()}`;
  };
  const digits = (part) => (part >= 10 || part === 0 ? 0 : Math.min(3, 1 - Math.floor(Math.log10(part))));
  const percent = (value, like) => (value * 100).toFixed(digits((like || value) * 100)) + "%";

  let plot = null;
  const colour = (name) => getComputedStyle(place).getPropertyValue(name).trim();

  // A thin line where the stage began.
  function mark(u) {
    if (since === null || since < stamps[0]) return;
    const { ctx } = u;
    const x = Math.round(u.valToPos(since, "x", true)) + 0.5;
    ctx.save();
    ctx.strokeStyle = colour("--stage");
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x, u.bbox.top);
    ctx.lineTo(x, u.bbox.top + u.bbox.height);
    ctx.stroke();
    ctx.restore();
  }

  // A week between two that are withheld: a line cannot show it, a dot does.
  const lone = share.map((v, i) => (v !== null && (share[i - 1] ?? null) === null && (share[i + 1] ?? null) === null ? i : -1))
    .filter((i) => i >= 0);

  function say(at) {
    read.textContent = "";
    if (at === null || at === undefined) at = share.length - 1;
    if (share[at] === null) {
      read.textContent = `${said} ${day(stamps[at])}: too few people to publish`;
      return;
    }
    const bold = document.createElement("b");
    bold.textContent = percent(share[at]);
    const people = rows[at].cells[3] ? rows[at].cells[3].textContent.trim() : "";
    const before = then[at] === null ? "" : `, a year before ${percent(then[at])}`;
    const interval = low[at] === null ? "" : ` (${percent(low[at], share[at])} to ${percent(high[at], share[at])})`;
    read.append(`${said} ${day(stamps[at])}: `, bold, `${interval}, ${people} people${before}`);
  }

  function options() {
    const grid = { stroke: colour("--rule"), width: 1 };
    const axis = { stroke: colour("--quiet"), grid, ticks: { show: false }, font: "13px system-ui, sans-serif" };
    const top = Math.max(...high.filter((v) => v !== null), ...share.filter((v) => v !== null), 0);
    const stage = colour("--stage");
    const none = { show: false };
    return {
      width: place.clientWidth, height: place.clientHeight, tzDate: (t) => uPlot.tzDate(new Date(t * 1000), "UTC"),
      padding: [10, 12, 0, 0], legend: none,
      cursor: { drag: { x: false, y: false }, y: false, points: { size: 8, fill: stage, stroke: stage } },
      scales: { y: { range: [0, (top || 0.01) * 1.06] } },
      axes: [
        { ...axis, grid: none, space: 70, size: 34, values: (u, splits) => splits.map((t, i) => {
          const at = new Date(t * 1000);
          const wide = splits.length > 1 && splits[1] - splits[0] > 25 * 86400;
          const name = months[at.getUTCMonth()];
          if (wide) return at.getUTCMonth() === 0 || i === 0 ? `${name} ${at.getUTCFullYear()}` : name;
          return `${at.getUTCDate()} ${name}`;
        }) },
        { ...axis, size: 58, values: (u, splits) => {
          const steps = splits.map((v) => Number((v * 100).toFixed(4)));
          const unit = Math.max(...steps.map((v) => (String(v).split(".")[1] || "").length));
          return steps.map((v) => v.toFixed(unit) + "%");
        } },
      ],
      series: [
        {},
        { label: "upper", stroke: "transparent", width: 0, points: none },
        { label: "lower", stroke: "transparent", width: 0, points: none },
        { label: "year before", stroke: colour("--then"), width: 1.5, points: none },
        { label: "share", stroke: stage, width: 2.25, points: { show: true, size: 5, fill: stage, filter: () => lone } },
      ],
      bands: [{ series: [1, 2], fill: translucent(stage) }],
      hooks: { draw: [mark], setCursor: [(u) => say(u.cursor.idx)] },
    };
  }

  function translucent(hex) {
    const value = parseInt(hex.slice(1), 16);
    return `rgba(${value >> 16}, ${(value >> 8) & 255}, ${value & 255}, 0.17)`;
  }

  function draw() {
    if (plot) plot.destroy();
    place.textContent = "";
    plot = new uPlot(options(), [stamps, high, low, then, share], place);
    plot.over.tabIndex = 0;
    plot.over.setAttribute("role", "img");
    plot.over.setAttribute("aria-label", "Chart of the share of people. Arrow keys read it out; the table below has all numbers.");
    plot.over.addEventListener("keydown", step);
    say(null);
  }

  function step(event) {
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (move === undefined) return;
    event.preventDefault();
    const from = plot.cursor.idx ?? stamps.length;
    const at = Math.min(Math.max(from + move, 0), stamps.length - 1);
    plot.setCursor({ left: plot.valToPos(stamps[at], "x"), top: 10 });
  }

  draw();
  new ResizeObserver(() => {
    if (plot && place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height: place.clientHeight });
  }).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
