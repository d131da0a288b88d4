"use strict";
// Asks the runner for its status once a second and shows it. Names come from packages: they are
// only ever set as text.
const $ = (id) => document.getElementById(id);
let token = sessionStorage.getItem("token") || "";
let pictures = new Map();  // of each application: key of what is shown -> promise of its object URL, or ""

function request(path, options = {}) {
  const headers = token ? { Authorization: "Bearer " + token } : {};
  return fetch(path, { ...options, headers });
}

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function shape(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const percent = (share) => (100 * share).toFixed(share < 0.1 ? 1 : 0) + " %";
const count = (n) => n.toLocaleString("en");
const ms = (t) => t.toFixed(t < 0.1 ? 3 : t < 10 ? 2 : 1) + " ms";
const rate = (fps) => +fps.toFixed(2) + " fps";

function tiles(s) {
  const dropped = Object.entries(s.frames.dropped).filter(([, n]) => n > 0);
  const sum = dropped.reduce((all, [, n]) => all + n, 0);
  const busy = s.nodes.reduce((all, n) => all + n.busy_share, 0);
  const figures = [
    [count(s.frames.captured), "frames captured"],
    [count(s.frames.processed), "processed"],
    [count(sum), "dropped" + dropped.map(([why, n]) => `, ${count(n)} ${why}`).join("")],
    [percent(busy), "of the time busy"],
    [+s.cost.toFixed(1) + " / " + +s.budget.toFixed(1), `${s.cost_unit || "cost"} a second, of the budget`],
    [s.mean_f1 === null ? "-" : s.mean_f1.toFixed(3), "mean F1 expected"],
    [(s.memory_bytes / 2 ** 20).toFixed(0) + " MiB", "memory"],
  ];
  $("tiles").replaceChildren(...figures.map(([value, what]) => {
    const tile = element("div", undefined, { class: "tile" });
    tile.append(element("b", value), element("span", what));
    return tile;
  }));
}

// The stem runs along the top; whatever leaves it hangs below, one row a branch.
function layout(nodes) {
  const children = nodes.map(() => []);
  const roots = [];
  nodes.forEach((n, i) => (n.parent < 0 ? roots : children[n.parent]).push(i));
  const places = [];
  let row = 0;
  const place = (i, depth) => {
    const below = [...children[i]].sort((a, b) => nodes[b].shared - nodes[a].shared);
    places[i] = { depth, row };
    below.forEach((child, k) => { if (k > 0) ++row; place(child, depth + 1); });
  };
  roots.forEach((root, k) => { if (k > 0) ++row; place(root, 0); });
  return places;
}

function tree(s) {
  const width = 218, height = 66, wide = 186, high = 54;
  const places = layout(s.nodes);
  const columns = Math.max(0, ...places.map((p) => p.depth + 1));
  const rows = Math.max(0, ...places.map((p) => p.row + 1));
  const svg = shape("svg", { width: columns * width, height: rows * height, role: "img" });
  svg.append(shape("title", {}, "Tree of network parts"));
  s.nodes.forEach((n, i) => {
    const x = places[i].depth * width + 2, y = places[i].row * height + 2;
    if (n.parent >= 0) {
      const px = places[n.parent].depth * width + 2 + wide;
      const py = places[n.parent].row * height + 2 + high / 2;
      const middle = (px + x) / 2;
      svg.append(shape("path", { class: "edge", d: `M${px} ${py}H${middle}V${y + high / 2}H${x}` }));
    }
    const kind = n.shared ? " shared" : "";
    const box = shape("g", {});
    box.append(shape("title", {}, `${n.name}: ${n.apps.join(", ")}\nlayers ${n.layers[0]} to ${n.layers[1]}\n` +
      `in ${count(n.in)}, run ${count(n.run)}, dropped ${count(n.dropped)}\n` +
      `p50 ${ms(n.p50_ms)}, p99 ${ms(n.p99_ms)}, planned ${ms(n.planned_ms)}`));
    box.append(shape("rect", { class: "box" + kind, x, y, width: wide, height: high, rx: 8 }));
    const name = n.name.length > 24 ? n.name.slice(0, 23) + "…" : n.name;
    box.append(shape("text", { x: x + 10, y: y + 18 }, name));
    box.append(shape("text", { x: x + 10, y: y + 34, class: "soft" },
      `${rate(n.fps)} · ${ms(n.busy_ms)} · ${count(n.run)} run`));
    box.append(shape("rect", { class: "bar", x: x + 10, y: y + 42, width: wide - 20, height: 5, rx: 2.5 }));
    const busy = Math.min(1, n.busy_share) * (wide - 20);
    if (busy > 0.5) box.append(shape("rect", { class: "busy" + kind, x: x + 10, y: y + 42, width: busy, height: 5, rx: 2.5 }));
    svg.append(box);
  });
  $("tree").replaceChildren(s.nodes.length ? svg : element("p", "No application runs.", { class: "soft" }));
}

async function fetchPicture(app, number) {
  try {
    const answer = await request(`api/apps/${encodeURIComponent(app)}/frame.jpg?n=${number}`);
    return answer.ok ? URL.createObjectURL(await answer.blob()) : "";
  } catch (error) {
    return "";
  }
}

// The page is drawn anew each second: a picture that is still under way goes to the newest image.
async function picture(image, app, number, key) {
  const shown = pictures.get(app) || new Map();
  pictures.set(app, shown);
  if (!shown.has(key)) shown.set(key, fetchPicture(app, number));
  const url = await shown.get(key);
  if (url) image.src = url;
}

function frames(a) {
  const list = element("ul", undefined, { class: "frames" });
  const keys = new Set();
  a.snapshots.forEach((p, number) => {
    const key = number === 0 ? "latest " + p.frame : "event " + p.frame;
    keys.add(key);
    const item = element("li", undefined, p.positive ? { class: "hit" } : {});
    const image = element("img", undefined, { alt: "" });
    picture(image, a.name, number, key);
    item.append(image, element("span", `${number === 0 ? "latest" : "event"} ${p.frame}`), element("br"),
      element("span", p.score.toFixed(2)));
    list.append(item);
  });
  for (const [key, url] of pictures.get(a.name) || []) {
    if (keys.has(key)) continue;
    url.then((made) => made && URL.revokeObjectURL(made));
    pictures.get(a.name).delete(key);
  }
  return list;
}

function card(a) {
  const box = element("div", undefined, { class: "card" });
  const top = element("div", undefined, { class: "top" });
  const remove = element("button", "Remove", { class: "remove", type: "button" });
  remove.addEventListener("click", () => {
    if (confirm(`Remove ${a.name}?`)) change(`api/apps/${encodeURIComponent(a.name)}`, { method: "DELETE" }, "removed");
  });
  const title = element("h3", a.name);
  if (a.event_open) title.append(" ", element("span", "event", { class: "badge bad" }));
  top.append(title, remove);
  const figures = [
    ["F1 expected", a.f1.toFixed(3)], ["events", count(a.events)],
    ["rate", rate(a.fps)], ["analysed", count(a.analysed)],
    ["frozen layers", a.frozen], ["positive", count(a.positives)],
    ["votes", a.x], ["age p50", ms(a.age_p50_ms)],
    ["stem", a.sharing], ["age p99", ms(a.age_p99_ms)],
  ];
  const list = element("dl");
  for (const [name, value] of figures) list.append(element("dt", name), element("dd", value));
  box.append(top, element("span", a.analysed ? `${a.label} (${a.score.toFixed(2)})` : "no frame yet", { class: "soft" }), list, frames(a));
  return box;
}

function show(s) {
  document.title = `${s.stream} - graft run`;
  $("stream").textContent = s.stream;
  $("source").textContent = `${s.source}, ${s.video.width} × ${s.video.height} at ${+s.video.fps.toFixed(2)} fps, ${s.mode}`;
  $("state").textContent = s.ready ? "ready" : s.why_not_ready;
  $("state").className = "badge " + (s.ready ? "good" : "bad");
  tiles(s);
  tree(s);
  $("apps").replaceChildren(...s.apps.map(card));
  const chosen = $("place").value;
  $("place").replaceChildren(element("option", "nothing", { value: "" }),
    ...s.apps.map((a) => element("option", a.name, { value: a.name })));
  $("place").value = s.apps.some((a) => a.name === chosen) ? chosen : "";
}

async function change(path, options, done) {
  const message = $("message");
  message.className = "";
  message.textContent = "at work …";
  try {
    const answer = await request(path, options);
    const json = await answer.json();
    message.textContent = answer.ok ? `${json.name} ${done}` : json.error;
    message.className = answer.ok ? "" : "bad";
  } catch (error) {
    message.textContent = "the runner does not answer";
    message.className = "bad";
  }
}

$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const file = $("file").files[0];
  if (!file) { $("message").textContent = "choose a package first"; return; }
  const name = $("place").value;
  const path = name ? `api/apps/${encodeURIComponent(name)}` : "api/apps";
  change(path, { method: name ? "PUT" : "POST", body: file }, name ? "takes its place" : "added");
});

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value;
  sessionStorage.setItem("token", token);
  $("login").hidden = true;
});

async function refresh() {
  try {
    const answer = await request("api/status");
    if (answer.status === 401) $("login").hidden = false;
    if (answer.ok) show(await answer.json());
  } catch (error) {
    $("state").textContent = "the runner does not answer";
    $("state").className = "badge bad";
  }
  setTimeout(refresh, 1000);
}
refresh();
