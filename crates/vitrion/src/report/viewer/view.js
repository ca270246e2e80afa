// The atom viewer: camera, colours, playback, slices, paths and picking around `atoms.js` and `draw.js`.
"use strict";
Vitrion.viewers = [];
Vitrion.viewer = function (host, scene) {
  const NONE = [184, 184, 184], stage = host.querySelector(".stage"), poster = stage.querySelector(".poster");
  const canvas = document.createElement("canvas");
  const rgb = (hex) => [1, 3, 5].map((k) => parseInt(hex.trim().substr(k, 2), 16));
  const VIRIDIS = scene.palette.map(rgb), WORDS = scene.distinct, [SMALL, LARGE] = scene.sizes;
  const viridis = (t) => {
    const x = Math.max(0, Math.min(1, t)) * (VIRIDIS.length - 1), k = Math.min(Math.floor(x), VIRIDIS.length - 2);
    return VIRIDIS[k].map((v, c) => Math.round(v + (VIRIDIS[k + 1][c] - v) * (x - k)));
  };
  const number = (v) => Number.isFinite(v) ? String(+v.toPrecision(3)).replace("-", "−") : "none";
  const state = {
    turn: null, zoom: 1, pan: [0, 0], frame: 0, playing: false, color: scene.color, size: "element", threshold: 4,
    bonds: true, polyhedra: false, cell: true, paths: false, axis: -1, from: 0, to: 1, hidden: new Set(), picked: -1, low: null, high: null
  };
  let painter = null, atoms = null, queued = false, dirty = true, reach = 1, half = [1, 1], places = null, radii = null, colors = null, legend = "";

  // --- camera ---
  const times = (a, b) => [0, 1, 2].flatMap((i) => [0, 1, 2].map((j) => a[3 * i] * b[j] + a[3 * i + 1] * b[3 + j] + a[3 * i + 2] * b[6 + j]));
  function rotated(axis, angle) {
    const s = Math.sin(angle), c = Math.cos(angle);
    return [[1, 0, 0, 0, c, -s, 0, s, c], [c, 0, s, 0, 1, 0, -s, 0, c], [c, -s, 0, s, c, 0, 0, 0, 1]][axis];
  }
  function turn(axis, angle) { state.turn = times(rotated(axis, angle), state.turn); request(); }
  function home() {
    state.turn = times(rotated(0, 15 * Math.PI / 180), rotated(1, -25 * Math.PI / 180));
    fit();
  }
  // The whole cell fills the picture, as it is turned now.
  function fit() {
    const h = atoms.cell(state.frame), t = state.turn;
    half = [1, 1];
    for (let k = 0; k < 8; k++) {
      const r = Vitrion.atoms.cartesian([k & 1, k >> 1 & 1, k >> 2 & 1].map((v) => v - 0.5), h);
      half = half.map((v, i) => Math.max(v, Math.abs(t[3 * i] * r[0] + t[3 * i + 1] * r[1] + t[3 * i + 2] * r[2]) + 0.8));
    }
    state.zoom = 1;
    state.pan = [0, 0];
    request();
  }
  // Looks against a lattice vector; the next one but one points up as far as it can.
  function along(k) {
    const h = atoms.cell(state.frame), row = (i) => [h[3 * i], h[3 * i + 1], h[3 * i + 2]], unit = (v) => { const l = Math.hypot(...v); return v.map((x) => x / l); };
    const z = unit(row(k)), up = row((k + 2) % 3), d = up[0] * z[0] + up[1] * z[1] + up[2] * z[2], y = unit(up.map((v, i) => v - d * z[i]));
    const x = [y[1] * z[2] - y[2] * z[1], y[2] * z[0] - y[0] * z[2], y[0] * z[1] - y[1] * z[0]];
    state.turn = [...x, ...y, ...z];
    fit();
  }
  function scales() {
    const w = canvas.clientWidth || 1, h = canvas.clientHeight || 1, unit = 0.48 * Math.min(w / half[0], h / half[1]) * state.zoom;
    return { w, h, unit };
  }
  function zoomBy(factor) { state.zoom = Math.min(40, Math.max(0.3, state.zoom * factor)); request(); }

  // --- what is drawn ---
  function measure() {
    const h = atoms.cell(state.frame);
    reach = 1;
    for (let k = 0; k < 8; k++) reach = Math.max(reach, Math.hypot(...Vitrion.atoms.cartesian([k & 1, k >> 1 & 1, k >> 2 & 1].map((v) => v - 0.5), h)));
    reach += 1;
  }
  function coloring() {
    const name = state.color, q = scene.quantities.findIndex((one) => one.name === name), css = (c) => "rgb(" + c.join(",") + ")";
    const balls = (list) => "<ul class=\"legend elements\">" + list.map((l) => "<li><span class=\"ball\" style=\"background:" + l[1] + "\"></span>" + Vitrion.escape(l[0]) + "</li>").join("") + "</ul>";
    const bar = (label, low, high) => {
      legend = "<div class=\"scale\"><span>" + number(low) + "</span><i style=\"background:linear-gradient(90deg," + VIRIDIS.map(css).join(",") + ")\"></i><span>" + number(high) + "</span><b>" + Vitrion.escape(label) + "</b></div>";
      return (v) => Number.isFinite(v) ? viridis((v - low) / ((high - low) || 1)) : NONE;
    };
    legend = "";
    if (name === "displacement") {
      const moved = atoms.displacements(state.frame);
      const low = state.low === null ? 0 : state.low, high = state.high === null ? Math.max(2, 1.5 * state.threshold) : state.high, of = bar("displacement since the first frame [Å]", low, high);
      return (i) => of(moved[i]);
    }
    if (q >= 0) {
      const one = scene.quantities[q];
      if (one.words.length) {
        const table = one.words.map((w, k) => rgb(WORDS[k % WORDS.length]));
        legend = balls(one.words.map((w, k) => [w, WORDS[k % WORDS.length]]));
        return (i) => table[atoms.value(q, state.frame, i)] || NONE;
      }
      const of = bar(one.name.replace(/_/g, " "), state.low === null ? one.low : state.low, state.high === null ? one.high : state.high);
      return (i) => of(atoms.value(q, state.frame, i));
    }
    const table = scene.elements.map((e) => rgb(e.color));
    return (i) => table[atoms.kinds[i]];
  }
  function update() {
    dirty = false;
    measure();
    const n = atoms.count, { r, s, bonds, hulls } = atoms.placed(state.frame), color = coloring(), far = state.size === "displacement" ? atoms.displacements(state.frame) : null;
    const plain = state.color !== "", none = (c) => c === NONE;
    places = new Float32Array(4 * n); colors = new Uint8Array(4 * n); radii = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      const c = color(i), kind = atoms.kinds[i];
      let radius = scene.elements[kind].radius;
      if (far) radius *= far[i] > state.threshold ? LARGE : SMALL;
      else if (plain && none(c)) radius *= SMALL;
      else if (state.polyhedra && scene.centres.includes(kind)) radius *= 0.6;
      if (state.hidden.has(kind) || (state.axis >= 0 && (s[3 * i + state.axis] < state.from || s[3 * i + state.axis] > state.to))) radius = 0;
      radii[i] = radius;
      for (let k = 0; k < 3; k++) { places[4 * i + k] = r[3 * i + k]; colors[4 * i + k] = c[k]; }
      places[4 * i + 3] = radius;
      colors[4 * i + 3] = i === state.picked ? 255 : 200;
    }
    painter.set("spheres", n, { place: places, color: colors });
    sticks(r, bonds);
    corners(r, hulls);
    strokes(r);
    words.innerHTML = legend;
    canvas.dataset.frame = state.frame;
  }
  function sticks(r, bonds) {
    const from = [], to = [], first = [], second = [];
    if (state.bonds) for (let k = 0; k < bonds.length; k += 2) {
      const [i, j] = [bonds[k], bonds[k + 1]];
      if (!radii[i] || !radii[j]) continue;
      from.push(r[3 * i], r[3 * i + 1], r[3 * i + 2], 0.16);
      to.push(r[3 * j], r[3 * j + 1], r[3 * j + 2]);
      for (let c = 0; c < 4; c++) { first.push(colors[4 * i + c]); second.push(colors[4 * j + c]); }
    }
    painter.set("cylinders", to.length / 3, { from: new Float32Array(from), to: new Float32Array(to), color: new Uint8Array(first), second: new Uint8Array(second) });
  }
  function corners(r, hulls) {
    const place = [], color = [];
    if (state.polyhedra) for (const { centre, corners: points } of hulls) {
      if (!radii[centre]) continue;
      for (const triangle of Vitrion.atoms.hull(points)) for (const point of triangle) {
        place.push(...point);
        color.push(colors[4 * centre], colors[4 * centre + 1], colors[4 * centre + 2], 140);
      }
    }
    painter.set("triangles", place.length / 3, { place: new Float32Array(place), color: new Uint8Array(color) });
  }
  function strokes(r) {
    const place = [], color = [], h = atoms.cell(state.frame), ink = rgb(getComputedStyle(host).getPropertyValue("--soft"));
    const corner = (k) => Vitrion.atoms.cartesian([k & 1, k >> 1 & 1, k >> 2 & 1].map((v) => v - 0.5), h);
    if (state.cell) for (let k = 0; k < 8; k++) for (const bit of [1, 2, 4]) if (!(k & bit)) {
      place.push(...corner(k), ...corner(k | bit));
      color.push(...ink, 255, ...ink, 255);
    }
    if (state.paths && atoms.frames > 1) for (const i of followed()) for (const [a, b, part] of atoms.path(i, state.frame)) {
      const c = viridis(part);
      place.push(...a, ...b);
      color.push(...c, 255, ...c, 255);
    }
    painter.set("lines", place.length / 3, { place: new Float32Array(place), color: new Uint8Array(color) });
  }
  // The atom that was picked, or else the ions (atoms of elements without bonds) that went farther than the threshold by the last frame: at most 24,
  // farthest first. Without ions, all atoms may.
  function followed() {
    if (state.picked >= 0) return [state.picked];
    const bonded = new Set(scene.bonds.flatMap((b) => [b[0], b[1]])), ions = scene.elements.some((e, k) => e.count && !bonded.has(k));
    const moved = atoms.displacements(atoms.frames - 1).slice(), may = (i) => moved[i] > state.threshold && !state.hidden.has(atoms.kinds[i]) && !(ions && bonded.has(atoms.kinds[i]));
    return Array.from(moved.keys()).filter(may).sort((a, b) => moved[b] - moved[a]).slice(0, 24);
  }
  function request(changed) {
    dirty = dirty || Boolean(changed);
    if (queued || !painter) return;
    queued = true;
    requestAnimationFrame(() => { queued = false; draw(); });
  }
  function draw() {
    if (!painter || painter.lost() || !canvas.clientWidth) return;
    const ratio = Math.min(window.devicePixelRatio || 1, 2), { w, h, unit } = scales();
    if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) { canvas.width = Math.round(w * ratio); canvas.height = Math.round(h * ratio); }
    if (dirty) update();
    const now = scales().unit, background = rgb(getComputedStyle(host).getPropertyValue("--card")).map((v) => v / 255);
    painter.draw({ turn: state.turn, scale: [2 * now / w, 2 * now / h], pan: [2 * state.pan[0] / w, -2 * state.pan[1] / h], depth: 1.6 * reach + 2, background, fog: 0.5 });
    canvas.dataset.drawn = "1";
  }

  // --- picking ---
  function pick(x, y) {
    const { w, h, unit } = scales(), t = state.turn, px = (x - w / 2 - state.pan[0]) / unit, py = (h / 2 - y + state.pan[1]) / unit;
    let best = -1, top = -Infinity;
    for (let i = 0; i < atoms.count; i++) {
      if (!radii[i]) continue;
      const [a, b, c] = [places[4 * i], places[4 * i + 1], places[4 * i + 2]];
      const dx = t[0] * a + t[1] * b + t[2] * c - px, dy = t[3] * a + t[4] * b + t[5] * c - py, d2 = dx * dx + dy * dy;
      if (d2 > radii[i] * radii[i]) continue;
      const z = t[6] * a + t[7] * b + t[8] * c + Math.sqrt(radii[i] * radii[i] - d2);
      if (z > top) { top = z; best = i; }
    }
    choose(best);
  }
  function choose(i) {
    state.picked = Number.isInteger(i) && i >= 0 && i < atoms.count ? i : -1;
    tell();
    request(true);
  }
  function tell() {
    const i = state.picked;
    if (i < 0) { facts.textContent = "No atom is picked: click one, or type its number."; return; }
    const h = atoms.cell(state.frame), s = atoms.fractional(state.frame, i).map((v, k) => scene.periodic[k] ? v - Math.floor(v) : v), r = Vitrion.atoms.cartesian(s, h);
    const rows = [["atom", i + 1], ["element", scene.elements[atoms.kinds[i]].symbol], ["x, y, z [Å]", r.map((v) => v.toFixed(2)).join(", ")], ["fractional", s.map((v) => v.toFixed(3)).join(", ")]];
    const near = neighbors(i);
    if (near.length) rows.push(["bonded to", near.map((j) => scene.elements[atoms.kinds[j]].symbol + " " + (j + 1)).join(", ")]);
    if (atoms.frames > 1) rows.push(["displacement [Å]", number(atoms.displacements(state.frame)[i])]);
    scene.quantities.forEach((q, k) => { const v = atoms.value(k, state.frame, i); rows.push([q.name.replace(/_/g, " "), q.words.length ? q.words[v] || "none" : number(v)]); });
    const list = document.createElement("dl");
    list.className = "facts";
    rows.forEach(([term, value]) => {
      const line = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = term; dd.textContent = value;
      line.append(dt, dd);
      list.append(line);
    });
    facts.replaceChildren(list);
  }
  function neighbors(i) {
    const out = [], { bonds } = atoms.placed(state.frame);
    for (let k = 0; k < bonds.length; k += 2) if (bonds[k] === i) out.push(bonds[k + 1]); else if (bonds[k + 1] === i) out.push(bonds[k]);
    return out;
  }

  // --- controls ---
  const panel = document.createElement("div"), words = document.createElement("div"), facts = document.createElement("div");
  panel.className = "controls"; words.className = "key"; facts.className = "picked";
  facts.setAttribute("aria-live", "polite");
  function label(text, control) { const l = document.createElement("label"); l.append(text + " ", control); return l; }
  function choice(options, value, action) {
    const select = document.createElement("select");
    options.forEach(([key, text]) => { const o = document.createElement("option"); o.value = key; o.textContent = text; select.append(o); });
    select.value = value;
    select.addEventListener("change", () => action(select.value));
    return select;
  }
  function input(type, value, attributes, action) {
    const box = document.createElement("input");
    box.type = type;
    Object.assign(box, attributes);
    if (type === "checkbox") box.checked = value; else box.value = value;
    box.addEventListener("input", () => action(type === "checkbox" ? box.checked : box.value));
    return box;
  }
  let slider = null, clock = null, play = null, last = 0;
  function show(frame) {
    state.frame = (frame + atoms.frames) % atoms.frames;
    if (slider) {
      slider.value = state.frame;
      const t = atoms.time(state.frame), text = "frame " + (state.frame + 1) + " of " + atoms.frames + (t === null ? "" : ", " + number(t) + " ps");
      clock.textContent = text;
      slider.setAttribute("aria-valuetext", text);
    }
    if (state.picked >= 0) tell();
    request(true);
  }
  function playing(on) {
    state.playing = on;
    if (!play) return;
    play.textContent = on ? "Pause" : "Play";
    play.setAttribute("aria-label", (on ? "Pause " : "Play ") + scene.title);
    if (on) { last = performance.now(); requestAnimationFrame(advance); }
  }
  function advance(now) {
    if (!state.playing) return;
    if (now - last > 80) { last = now; show(state.frame + 1); }
    requestAnimationFrame(advance);
  }
  function controls() {
    if (atoms.frames > 1) {
      const row = document.createElement("div");
      row.className = "row";
      play = Vitrion.button("Play", "Play the frames (space)", () => playing(!state.playing));
      slider = input("range", 0, { min: 0, max: atoms.frames - 1, step: 1 }, (v) => show(+v));
      slider.setAttribute("aria-label", "Frame of " + scene.title);
      clock = document.createElement("span");
      clock.className = "quiet";
      row.append(play, slider, clock);
      panel.append(row);
    }
    const row = document.createElement("div");
    row.className = "row";
    const moving = atoms.frames > 1 ? [["displacement", "displacement"]] : [];
    row.append(label("Colour", choice([["", "element"], ...scene.quantities.map((q) => [q.name, q.name.replace(/_/g, " ")]), ...moving], state.color, (v) => { state.color = v; state.low = state.high = null; low.value = high.value = ""; request(true); })));
    if (moving.length) row.append(label("Size", choice([["element", "element"], ...moving], state.size, (v) => { state.size = v; request(true); })));
    const flag = (text, key) => row.append(label(text, input("checkbox", state[key], {}, (v) => { state[key] = v; request(true); })));
    if (scene.bonds.length) flag("bonds", "bonds");
    if (scene.centres.length) flag("polyhedra", "polyhedra");
    flag("cell", "cell");
    if (moving.length) flag("paths", "paths");
    panel.append(row);
    const more = document.createElement("details"), summary = document.createElement("summary"), rest = document.createElement("div");
    summary.textContent = "Slice, range, atoms";
    rest.className = "row";
    const percent = (text, value, action) => { const box = input("range", value, { min: 0, max: 1, step: 0.01 }, (v) => { action(+v); request(true); }); return label(text, box); };
    rest.append(label("Slice across", choice([[-1, "nothing"], [0, "a"], [1, "b"], [2, "c"]], -1, (v) => { state.axis = +v; request(true); })));
    rest.append(percent("from", 0, (v) => { state.from = v; }), percent("to", 1, (v) => { state.to = v; }));
    const optional = (key) => input("number", "", { step: "any", placeholder: "auto" }, (v) => { state[key] = v === "" || !Number.isFinite(+v) ? null : +v; request(true); });
    const low = optional("low"), high = optional("high");
    rest.append(label("Colours from", low), label("to", high));
    if (moving.length) rest.append(label("Far means [Å]", input("number", state.threshold, { step: 0.5, min: 0 }, (v) => { if (+v > 0) { state.threshold = +v; request(true); } })));
    rest.append(label("Atom number", input("number", "", { min: 1, max: atoms.count, step: 1 }, (v) => choose(+v - 1))));
    ["a", "b", "c"].forEach((name, k) => rest.append(Vitrion.button("Along " + name, "Look along lattice vector " + name, () => along(k))));
    scene.elements.forEach((element, kind) => {
      if (element.count) rest.append(label(element.symbol, input("checkbox", true, {}, (v) => { if (v) state.hidden.delete(kind); else state.hidden.add(kind); request(true); })));
    });
    more.append(summary, rest);
    panel.append(more, facts);
  }
  function tools() {
    const box = document.createElement("div"), add = (text, title, action) => box.append(Vitrion.button(text, title + ": " + scene.title, action));
    box.className = "tools";
    add("+", "Zoom in", () => zoomBy(1.25));
    add("−", "Zoom out", () => zoomBy(0.8));
    add("Reset", "Reset the view", home);
    add("PNG", "Save the picture", () => { draw(); canvas.toBlob((blob) => Vitrion.save(scene.id + ".png", "image/png", blob)); });
    host.append(box);
  }

  // --- pointer, touch, keyboard ---
  function listen() {
    const fingers = new Map();
    let start = null, spread = 0;
    const place = (e) => { const b = canvas.getBoundingClientRect(); return [e.clientX - b.left, e.clientY - b.top]; };
    const gap = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
    canvas.addEventListener("pointerdown", (e) => {
      fingers.set(e.pointerId, place(e));
      canvas.setPointerCapture(e.pointerId);
      start = fingers.size === 1 ? place(e) : null;
      if (fingers.size === 2) spread = gap();
    });
    canvas.addEventListener("pointermove", (e) => {
      if (!fingers.has(e.pointerId)) return;
      const before = fingers.get(e.pointerId), now = place(e), step = [now[0] - before[0], now[1] - before[1]];
      fingers.set(e.pointerId, now);
      if (fingers.size === 2) {
        const wide = gap();
        if (spread > 0) zoomBy(wide / spread);
        spread = wide;
        state.pan = state.pan.map((v, k) => v + 0.5 * step[k]);
      } else if (e.shiftKey || e.buttons === 2 || e.buttons === 4) {
        state.pan = state.pan.map((v, k) => v + step[k]);
        request();
      } else {
        state.turn = times(times(rotated(1, step[0] * 0.008), rotated(0, step[1] * 0.008)), state.turn);
        request();
      }
      if (start && Math.hypot(now[0] - start[0], now[1] - start[1]) > 4) start = null;
    });
    const up = (e) => {
      if (e.type === "pointerup" && start && fingers.size === 1) pick(...place(e));
      fingers.delete(e.pointerId);
      start = null; spread = 0;
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("contextmenu", (e) => e.preventDefault());
    canvas.addEventListener("wheel", (e) => {
      if (!e.ctrlKey && document.activeElement !== canvas) return; // the page scrolls
      e.preventDefault();
      zoomBy(Math.exp(-e.deltaY * 0.0015));
    }, { passive: false });
    canvas.addEventListener("dblclick", home);
    const keys = {
      ArrowLeft: () => turn(1, -0.1), ArrowRight: () => turn(1, 0.1), ArrowUp: () => turn(0, -0.1), ArrowDown: () => turn(0, 0.1), "+": () => zoomBy(1.15), "=": () => zoomBy(1.15), "-": () => zoomBy(1 / 1.15),
      r: home, 1: () => along(0), 2: () => along(1), 3: () => along(2), " ": () => playing(!state.playing), ",": () => show(state.frame - 1), ".": () => show(state.frame + 1), Home: () => show(0), End: () => show(atoms.frames - 1), Escape: () => choose(-1)
    };
    canvas.addEventListener("keydown", (e) => {
      if (e.ctrlKey || e.metaKey || e.altKey || !keys[e.key]) return;
      keys[e.key]();
      e.preventDefault();
    });
    canvas.addEventListener("webglcontextlost", (e) => { e.preventDefault(); if (poster) poster.hidden = false; });
    canvas.addEventListener("webglcontextrestored", () => { painter.restore(); if (poster) poster.hidden = true; request(true); });
  }

  async function begin() {
    painter = Vitrion.painter(canvas);
    if (!painter) throw new Error("WebGL 2 is missing");
    atoms = await Vitrion.atoms.load(scene);
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", scene.title + ". Arrow keys turn, plus and minus zoom, 1, 2, 3 look along a, b, c, space plays, comma and full stop step, R resets.");
    stage.append(canvas);
    const old = host.querySelector(":scope > .legend");
    if (poster) poster.hidden = true; else stage.querySelectorAll(".note").forEach((n) => n.remove());
    (old || stage).after(words, panel);
    controls();
    tools();
    listen();
    home();
    tell();
    show(0);
    draw();
    if (window.ResizeObserver) new ResizeObserver(() => request()).observe(canvas);
  }
  const viewer = {
    id: scene.id, state, ready: null,
    start() {
      if (!viewer.ready) viewer.ready = begin().catch((error) => {
        const p = document.createElement("p");
        p.className = "note";
        p.textContent = "No interactive picture: " + error.message + ".";
        stage.after(p);
      });
      return viewer.ready;
    },
    restyle() { request(true); },
    now() { if (atoms) { dirty = true; draw(); } },
    request: () => request(true),
    pixels() { viewer.now(); return painter ? painter.pixels() : null; },
    get atoms() { return atoms; },
    get alive() { return Boolean(painter) && !painter.lost(); }
  };
  Vitrion.viewers.push(viewer);
  // pictures wait until they are nearly in sight; browsers allow some 16 WebGL pictures at a time, so those out of sight give theirs back when
  // there are many
  if (window.IntersectionObserver) {
    new IntersectionObserver((entries) => {
      const near = entries[entries.length - 1].isIntersecting;
      if (near) viewer.start().then(() => { if (painter && painter.lost()) painter.wake(); });
      else if (painter && !painter.lost() && Vitrion.viewers.filter((v) => v.alive).length > 8) { playing(false); painter.rest(); }
    }, { rootMargin: "300px" }).observe(host);
  } else viewer.start();
  return viewer;
};
