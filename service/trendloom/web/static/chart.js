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
  const stamp = (row) => Date.parse(row.querySelector("time").dateTime) / 1000;
  const coming = document.getElementById("ahead");
  const ahead = coming ? [...coming.tBodies[0].rows] : [];
  const past = rows.length;
  const stamps = [...rows, ...ahead].map(stamp);
  const known = (row, cell, at) => number(row.cells[cell], at);
  const after = ahead.map(() => null);
  const before = rows.map(() => null);
  const share = [...rows.map((row) => known(row, 1, 0)), ...after];
  const low = [...rows.map((row) => known(row, 2, 0)), ...after];
  const high = [...rows.map((row) => known(row, 2, 1)), ...after];
  const forecast = (cell, at) => [...before, ...ahead.map((row) => known(row, cell, at))];
  const median = forecast(1, 0);
  const said80 = [forecast(2, 0), forecast(2, 1)];
  const said95 = [forecast(3, 0), forecast(3, 1)];
  const year = Number(place.dataset.year);
  const even = past > 1 && ahead.length > 1 && stamps[1] - stamps[0] === stamps[past + 1] - stamps[past];
  const then = stamps.map((_, at) => (at >= year && (at < past || even) ? share[at - year] ?? null : null));
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

  // A thin line where the stage began, and one where the forecast does.
  function mark(u) {
    if (since !== null && since >= stamps[0]) upright(u, since, "--stage", [4 * devicePixelRatio, 4 * devicePixelRatio]);
    if (ahead.length) upright(u, stamps[past], "--quiet", []);
  }

  function upright(u, at, ink, dash) {
    const { ctx } = u;
    const x = Math.round(u.valToPos(at, "x", true)) + 0.5;
    ctx.save();
    ctx.strokeStyle = colour(ink);
    ctx.setLineDash(dash);
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
    if (at === null || at === undefined) at = past - 1;
    if (at >= past && median[at] !== null) {
      const bold = document.createElement("b");
      bold.textContent = percent(median[at]);
      const range = ([a, b]) => `${percent(a[at], median[at])} to ${percent(b[at], median[at])}`;
      const earlier = then[at] === null ? "" : `; a year before ${percent(then[at])}`;
      read.append(`${coming.dataset.said} ${day(stamps[at])}, forecast: `, bold, ` (80% interval ${range(said80)}, 95% ${range(said95)})${earlier}`);
      return;
    }
    if (share[at] === null) {
      read.textContent = `${said} ${day(stamps[at])}: too few people to publish`;
      return;
    }
    const bold = document.createElement("b");
    bold.textContent = percent(share[at]);
    const people = rows[at].cells[3] ? rows[at].cells[3].textContent.trim() : "";
    const earlier = then[at] === null ? "" : `, a year before ${percent(then[at])}`;
    const interval = low[at] === null ? "" : ` (${percent(low[at], share[at])} to ${percent(high[at], share[at])})`;
    read.append(`${said} ${day(stamps[at])}: `, bold, `${interval}, ${people} people${earlier}`);
  }

  function options() {
    const grid = { stroke: colour("--rule"), width: 1 };
    const axis = { stroke: colour("--quiet"), grid, ticks: { show: false }, font: "13px system-ui, sans-serif" };
    const seen = (values) => values.filter((v) => v !== null);
    const top = Math.max(...seen(high), ...seen(share), ...seen(said80[1]), 0);
    const stage = colour("--stage");
    const none = { show: false };
    const edge = (label) => ({ label, stroke: "transparent", width: 0, points: none });
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
        edge("upper"), edge("lower"),
        { label: "year before", stroke: colour("--then"), width: 1.5, points: none },
        { label: "share", stroke: stage, width: 2.25, points: { show: true, size: 5, fill: stage, filter: () => lone } },
        edge("upper 95"), edge("lower 95"), edge("upper 80"), edge("lower 80"),
        { label: "forecast", stroke: stage, width: 2, dash: [6, 4], points: none },
      ],
      bands: [
        { series: [1, 2], fill: translucent(stage, 0.17) },
        { series: [5, 6], fill: translucent(stage, 0.1) },
        { series: [7, 8], fill: translucent(stage, 0.17) },
      ],
      hooks: { draw: [mark], setCursor: [(u) => say(u.cursor.idx)] },
    };
  }

  function translucent(hex, part) {
    const value = parseInt(hex.slice(1), 16);
    return `rgba(${value >> 16}, ${(value >> 8) & 255}, ${value & 255}, ${part})`;
  }

  function draw() {
    if (plot) plot.destroy();
    place.textContent = "";
    plot = new uPlot(options(), [stamps, high, low, then, share, said95[1], said95[0], said80[1], said80[0], median], place);
    plot.over.tabIndex = 0;
    plot.over.setAttribute("role", "img");
    plot.over.setAttribute("aria-label", "Chart of the share of people and its forecast. Arrow keys read it out; the tables below have all numbers.");
    plot.over.addEventListener("keydown", step);
    say(null);
  }

  function step(event) {
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (move === undefined) return;
    event.preventDefault();
    const from = plot.cursor.idx ?? past;
    const at = Math.min(Math.max(from + move, 0), stamps.length - 1);
    plot.setCursor({ left: plot.valToPos(stamps[at], "x"), top: 10 });
  }

  draw();
  new ResizeObserver(() => {
    if (plot && place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height: place.clientHeight });
  }).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
