// Drop photos, see their tags. Pictures are drawn from the files themselves; nothing but the API is asked.
"use strict";
(() => {
  const form = document.getElementById("drop");
  const input = document.getElementById("images");
  const said = document.getElementById("said");
  const results = document.getElementById("results");

  const make = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const drawn = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  function bar(part) {
    const svg = drawn("svg", { class: "bar", width: 110, height: 10, "aria-hidden": "true" });
    svg.append(drawn("rect", { class: "all", width: 110, height: 10 }));
    svg.append(drawn("rect", { class: "part", width: Math.round(part * 110), height: 10 }));
    return svg;
  }

  // The photo with a frame around each garment; a format that the browser cannot show gives no picture.
  async function picture(file, image) {
    const canvas = make("canvas");
    try {
      const bitmap = await createImageBitmap(file);
      const scale = Math.min(260 / bitmap.width, 360 / bitmap.height) * 2;
      canvas.width = Math.round(bitmap.width * scale);
      canvas.height = Math.round(bitmap.height * scale);
      canvas.style.width = `${canvas.width / 2}px`;
      const pen = canvas.getContext("2d");
      pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      for (const { garment, box } of image.garments) {
        if (!garment) continue;
        const frame = [box.x0 * canvas.width, box.y0 * canvas.height,
          (box.x1 - box.x0) * canvas.width, (box.y1 - box.y0) * canvas.height];
        for (const [width, stroke] of [[7, "rgba(0,0,0,.45)"], [4, "#fff"]]) {
          pen.lineWidth = width;
          pen.strokeStyle = stroke;
          pen.strokeRect(...frame);
        }
      }
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${image.name}, each garment framed`);
      return canvas;
    } catch {
      return make("p", "quiet", "This browser cannot show the format.");
    }
  }

  function swatches(colours) {
    const all = make("p", "swatches");
    for (const { name, hex, share } of colours) {
      const patch = drawn("svg", { class: "swatch", width: 14, height: 14, "aria-hidden": "true" });
      patch.append(drawn("rect", { width: 14, height: 14, rx: 3, fill: hex }));
      all.append(patch, `${name} ${hex}, ${Math.round(share * 100)}% of the pixels `);
    }
    return all;
  }

  function overlay(heat) {
    const canvas = make("canvas", "heat");
    canvas.hidden = true;
    canvas.setAttribute("aria-hidden", "true");
    const bytes = Uint8Array.from(atob(heat.split(",")[1]), (letter) => letter.charCodeAt(0));
    createImageBitmap(new Blob([bytes], { type: "image/png" })).then((bitmap) => {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
      canvas.getContext("2d").drawImage(bitmap, 0, 0);
    });
    return canvas;
  }

  // Where the tower looked, laid over the photo while its garment's table is pointed at or has the focus.
  function table(image, photo) {
    const all = make("div");
    for (const { garment, tags, colours, heat } of image.garments) {
      const made = make("table", "plain");
      const map = heat && photo.querySelector("canvas") ? overlay(heat) : null;
      if (map) {
        photo.append(map);
        made.tabIndex = 0;
        for (const [name, hidden] of [["pointerenter", false], ["focus", false], ["pointerleave", true], ["blur", true]]) {
          made.addEventListener(name, () => { map.hidden = hidden; });
        }
      }
      made.append(make("caption", "", garment ? `Garment ${garment}` : "Whole photo"));
      const body = made.createTBody();
      for (const tag of tags) {
        const row = body.insertRow();
        row.append(make("td", "quiet", tag.group));
        const name = make("th", "", tag.value);
        name.scope = "row";
        row.append(name);
        const cell = make("td", "num");
        cell.append(bar(tag.probability), `${Math.round(tag.probability * 100)}%`);
        row.append(cell);
      }
      all.append(made);
      if (colours.length) all.append(swatches(colours));
    }
    if (!image.garments.length) all.append(make("p", "quiet", "Nothing that the taxonomy knows was found."));
    return all;
  }

  async function result(file, image) {
    const section = make("section", "tagged");
    section.append(make("h3", "", image.name));
    if (image.status !== "ok") {
      section.append(make("p", "note", `Not read (${image.status}): ${image.error || ""}`));
      return section;
    }
    const json = make("pre");
    json.tabIndex = 0;
    const short = (key, value) => (key === "heat" && value ? `${value.slice(0, 40)}…` : value);
    json.append(make("code", "", JSON.stringify(image, short, 2)));
    const photo = make("div", "heated");
    photo.append(await picture(file, image));
    section.append(photo, table(image, photo), json);
    return section;
  }

  async function send(files) {
    if (!files.length) return;
    said.textContent = files.length === 1 ? "Looking at the photo…" : `Looking at ${files.length} photos…`;
    results.textContent = "";
    const body = new FormData();
    for (const file of files) body.append("images", file);
    try {
      const answer = await fetch("/v1/tag?heat=true", { method: "POST", body });
      const reply = await answer.json();
      if (!answer.ok) {
        said.textContent = `Not tagged: ${reply.detail}`;
        return;
      }
      const all = make("div", "tagging");
      for (let at = 0; at < reply.images.length; at++) all.append(await result(files[at], reply.images[at]));
      results.replaceChildren(all);
      said.textContent = `${files.length} ${files.length === 1 ? "photo" : "photos"}, model ${reply.model}.`;
    } catch {
      said.textContent = "Not tagged: the service does not answer. Is it still running?";
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send([...input.files]);
  });
  input.addEventListener("change", () => send([...input.files]));
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      form.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) form.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    send([...event.dataTransfer.files].filter((file) => file.size));
  });
})();
