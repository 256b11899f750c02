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

  function table(image) {
    const all = make("div");
    for (const { garment, tags } of image.garments) {
      const made = make("table", "plain");
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
    json.append(make("code", "", JSON.stringify(image, null, 2)));
    section.append(await picture(file, image), table(image), json);
    return section;
  }

  async function send(files) {
    if (!files.length) return;
    said.textContent = files.length === 1 ? "Looking at the photo…" : `Looking at ${files.length} photos…`;
    results.textContent = "";
    const body = new FormData();
    for (const file of files) body.append("images", file);
    try {
      const answer = await fetch("/v1/tag", { method: "POST", body });
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
