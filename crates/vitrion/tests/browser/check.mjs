// Looks at a report in headless Chromium as a reader would: usage `node check.mjs CHROMIUM REPORT.html PICTURES`.
// Prints a line for every check; the exit status is 1 if any failed. Pictures and the PDF are left in PICTURES to be looked at.
import { chromium } from "playwright-core";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [executablePath, report, pictures] = process.argv.slice(2);
const url = pathToFileURL(report).href;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath,
  // WebGL without a graphics card
  args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
});
let failed = 0;
function check(what, good, found) {
  if (!good) failed++;
  console.log((good ? "ok      " : "FAILED  ") + what + (good || found === undefined ? "" : ": " + JSON.stringify(found)));
}

// A page of its own without network; `trouble` collects what must not happen.
async function open(width, options = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, acceptDownloads: true, ...options });
  await context.setOffline(true);
  const page = await context.newPage(), trouble = [];
  page.on("console", (m) => { if (["error", "warning"].includes(m.type()) && !/GPU stall|GL Driver/.test(m.text())) trouble.push(m.text()); });
  page.on("pageerror", (e) => trouble.push(e.message));
  page.on("dialog", (d) => { trouble.push("dialog " + d.message()); d.dismiss(); });
  page.on("request", (r) => { if (!/^(file|data|blob):/.test(r.url())) trouble.push("request " + r.url()); });
  await page.goto(url);
  return { page, context, trouble };
}
async function ready(page) {
  await page.evaluate(() => Vitrion.ready);
  await page.evaluate(async () => { for (const viewer of Vitrion.viewers) await viewer.start(); });
}

// --- on a desk ---
{
  const began = Date.now(), { page, trouble } = await open(1600);
  await page.evaluate(() => Vitrion.ready);
  console.log("charts and data ready after " + (Date.now() - began) + " ms");
  await ready(page);
  const charts = await page.evaluate(() => [...document.querySelectorAll("[data-figure]")].map((host) => ({ id: host.dataset.figure, marks: host.querySelectorAll(".surface svg path, .surface svg rect, .surface svg image").length })));
  check("there are charts", charts.length > 3, charts.length);
  check("every chart is drawn", charts.every((chart) => chart.marks > 2), charts.filter((chart) => chart.marks <= 2));
  check("no number is missing in a drawing", await page.evaluate(() => !/NaN|undefined|Infinity/.test([...document.querySelectorAll("svg")].map((svg) => svg.outerHTML.replace(/base64,[^"]*/g, "")).join())));

  check("the bar that chooses runs ends with their charts", await page.evaluate(() => { const bar = document.querySelector(".runs"), box = bar && bar.parentNode; return Boolean(box) && box.querySelector("#transport") !== null && box.querySelector("#provenance") === null; }));

  // the atoms
  const colors = (i) => page.evaluate((i) => { const p = Vitrion.viewers[i].pixels(), all = new Set(); for (let k = 0; k < p.length; k += 4) all.add(p[k] << 16 | p[k + 1] << 8 | p[k + 2]); return all.size; }, i);
  // how many pixels differ from the last time this was asked
  const changed = (i) => page.evaluate((i) => { const p = Vitrion.viewers[i].pixels(), old = window.before; window.before = p; if (!old || old.length !== p.length) return -1; let n = 0; for (let k = 0; k < p.length; k += 4) if (p[k] !== old[k] || p[k + 1] !== old[k + 1] || p[k + 2] !== old[k + 2]) n++; return n; }, i);
  const count = await page.evaluate(() => Vitrion.viewers.length);
  check("there are atoms to look at", count > 0);
  for (let i = 0; i < count; i++) check("viewer " + i + " draws shaded atoms", (await colors(i)) > 200, await colors(i));
  const canvas = page.locator(".scene canvas").first(), box = async () => { await canvas.scrollIntoViewIfNeeded(); return canvas.boundingBox(); };
  await changed(0);
  check("the same view gives the same picture", (await changed(0)) === 0);
  await canvas.focus();
  await page.keyboard.press("ArrowRight");
  check("an arrow key turns the atoms", (await changed(0)) > 1000);
  let b = await box();
  await page.mouse.move(b.x + b.width / 2, b.y + b.height / 2);
  await page.mouse.down();
  await page.mouse.move(b.x + b.width / 2 + 80, b.y + b.height / 2 + 30, { steps: 4 });
  await page.mouse.up();
  check("dragging turns them", (await changed(0)) > 1000);
  await page.keyboard.press("+");
  check("plus zooms", (await changed(0)) > 1000);
  await page.keyboard.press("r");
  await changed(0);
  const frames = await page.evaluate(() => Vitrion.viewers[0].atoms.frames);
  check("the trajectory has frames", frames > 1, frames);
  await page.keyboard.press(".");
  check("full stop shows the next frame", (await page.evaluate(() => Vitrion.viewers[0].state.frame)) === 1 && (await changed(0)) > 0);
  await page.keyboard.press(" ");
  await page.waitForFunction(() => Vitrion.viewers[0].state.frame !== 1);
  check("space plays", true);
  await page.keyboard.press(" ");
  await page.keyboard.press("Home");
  for (const key of ["1", "2", "3"]) await page.keyboard.press(key);
  check("1, 2, 3 look along the lattice vectors", (await changed(0)) > 1000);
  await page.keyboard.press("r");
  const scene = page.locator(".scene").first(), select = (label) => scene.locator("label", { hasText: new RegExp("^" + label) }).locator("select, input").first();
  const names = await select("Colour ").locator("option").evaluateAll((all) => all.map((o) => o.value));
  check("atoms can be coloured by more than their element", names.length > 1, names);
  for (const name of names) { await select("Colour ").selectOption(name); check("coloured by " + (name || "element"), (await colors(0)) > 200); }
  await select("Colour ").selectOption("displacement");
  check("the colours have a key", /displacement/.test(await scene.locator(".key").innerText()));
  await select("Colour ").selectOption("");
  await select("Size ").selectOption("displacement");
  check("size tells displacement", (await changed(0)) > 1000);
  await select("Size ").selectOption("element");
  await changed(0);
  await scene.locator("summary").click();
  await select("Far means").fill("0.2");
  for (const name of ["bonds", "polyhedra", "cell", "paths"]) { await select(name).click(); check(name + " change the picture", (await changed(0)) > 50); }
  await select("Slice across").selectOption("1");
  await select("from").fill("0.5");
  check("a slice leaves atoms out", (await changed(0)) > 1000);
  await select("Slice across").selectOption("-1");
  // a click on an atom tells about it
  b = await box();
  let told = "";
  for (let y = 0.3; y < 0.75 && !/element/.test(told); y += 0.04) for (let x = 0.3; x < 0.7 && !/element/.test(told); x += 0.04) { await page.mouse.click(b.x + x * b.width, b.y + y * b.height); told = await scene.locator(".picked").innerText(); }
  check("a click picks an atom and tells its data", /element/.test(told) && /fractional/.test(told) && /displacement/.test(told), told);
  await select("Atom number").fill("3");
  check("an atom can be picked by its number", /\b3\b/.test(await scene.locator(".picked").innerText()));
  const [png] = await Promise.all([page.waitForEvent("download"), scene.locator(".tools button", { hasText: "PNG" }).click()]);
  const bytes = readFileSync(await png.path());
  check("the picture can be saved", bytes.length > 5000 && bytes.toString("latin1", 1, 4) === "PNG", bytes.length);

  // geometry against the obvious way: a skewed cell narrower than its bonds, atoms on random places of the grid
  const geometry = await page.evaluate(async () => {
    const pack = async (bytes) => { const b = new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate-raw"))).arrayBuffer()); return btoa(String.fromCharCode(...b)); };
    let seed = 7;
    const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
    const out = [];
    for (const cell of [[2.2, 0, 0, 1.7, 9, 0, -2.1, 4.4, 8], [11, 0, 0, 5.4, 12, 0, -5.2, 3, 10]]) {
      const n = 60, steps = 1000, kinds = Uint8Array.from({ length: n }, (_, i) => i % 3), grid = [0, 1].map((f) => Array.from({ length: 3 * n }, () => f ? Math.floor(31 * random()) - 15 : Math.floor(steps * random())));
      // per frame and axis low bytes, then high bytes; the second frame is zigzag steps
      const bytes = new Uint8Array(12 * n);
      grid.forEach((frame, f) => { for (let a = 0; a < 3; a++) for (let i = 0; i < n; i++) { const q = frame[3 * i + a], v = f ? (q << 1) ^ (q >> 31) : q; bytes[6 * n * f + 2 * n * a + i] = v & 255; bytes[6 * n * f + 2 * n * a + n + i] = v >> 8; } });
      const scene = { atoms: n, elements: [0, 1, 2].map((k) => ({ symbol: "XYZ"[k], radius: 0.5, color: "#000000", mass: 1 + k, count: 20 })), kinds: await pack(kinds), bonds: [[1, 2, 2.6], [1, 1, 2.9]], centres: [1], periodic: [true, true, true], cells: [cell], times: [], steps: [steps, steps, steps], origin: [0, 0, 0], extent: [1, 1, 1], positions: await pack(bytes), quantities: [] };
      const atoms = await Vitrion.atoms.load(scene), s = (f, i) => [0, 1, 2].map((k) => (grid[0][3 * i + k] + (f ? grid[1][3 * i + k] : 0) + 0.5) / steps);
      for (const f of [0, 1]) {
        const { r, hulls } = atoms.placed(f), corners = new Map(hulls.map((h) => [h.centre, h.corners]));
        for (let i = 0; i < n; i++) if (kinds[i] === 1) {
          const here = s(f, i).map((v) => v - Math.floor(v)), all = [];
          for (let j = 0; j < n; j++) if (kinds[j] === 2) for (let x = -6; x <= 6; x++) for (let y = -6; y <= 6; y++) for (let z = -6; z <= 6; z++) {
            const there = s(f, j).map((v, k) => v - Math.floor(v) + [x, y, z][k] - here[k]), d = [0, 1, 2].map((k) => there[0] * cell[k] + there[1] * cell[3 + k] + there[2] * cell[6 + k]);
            if (Math.hypot(...d) <= 2.6) all.push(Math.hypot(...d));
          }
          const found = (corners.get(i) || []).map((c) => Math.hypot(c[0] - r[3 * i], c[1] - r[3 * i + 1], c[2] - r[3 * i + 2])).sort((a, b) => a - b);
          all.sort((a, b) => a - b);
          if (all.length > 3 ? found.length !== all.length || found.some((d, k) => Math.abs(d - all[k]) > 1e-4) : found.length) out.push([i, found.length, all.length]);
        }
      }
      const mass = Array.from(kinds, (k) => 1 + k), total = mass.reduce((a, b) => a + b), moved = Array.from({ length: n }, (_, i) => { const d = [0, 1, 2].map((k) => s(1, i)[k] - s(0, i)[k]); return [0, 1, 2].map((k) => d[0] * cell[k] + d[1] * cell[3 + k] + d[2] * cell[6 + k]); });
      const drift = [0, 1, 2].map((k) => moved.reduce((sum, d, i) => sum + mass[i] * d[k], 0) / total), found = atoms.displacements(1);
      moved.forEach((d, i) => { const e = Math.hypot(...d.map((v, k) => v - drift[k])); if (Math.abs(e - found[i]) > 1e-4) out.push(["displacement", i, e, found[i]]); });
    }
    return out;
  });
  check("polyhedra and displacements in skewed, narrow cells are those of a loop over all images", geometry.length === 0, geometry.slice(0, 5));

  // charts
  const surface = page.locator(".plot .surface").first();
  await surface.scrollIntoViewIfNeeded();
  await surface.focus();
  for (let k = 0; k < 40 && !(await page.locator(".tip:not([hidden])").count()); k++) await page.keyboard.press("ArrowRight");
  check("arrow keys walk through a chart and tell values", (await page.locator(".tip:not([hidden])").count()) > 0);
  const [csv] = await Promise.all([page.waitForEvent("download"), page.locator("#data button").first().click()]);
  check("numbers can be saved", readFileSync(await csv.path(), "utf8").split("\n").length > 2);
  for (const kind of ["SVG", "PNG", "CSV"]) {
    const [file] = await Promise.all([page.waitForEvent("download"), page.locator(".plot .tools button", { hasText: kind }).first().click()]);
    check("a chart can be saved as " + kind, readFileSync(await file.path()).length > 300);
  }

  // keyboard alone
  const fresh = (await open(1600)).page, stops = [];
  await ready(fresh);
  for (let k = 0; k < 60; k++) {
    await fresh.keyboard.press("Tab");
    stops.push(await fresh.evaluate(() => { const e = document.activeElement, s = getComputedStyle(e); return { what: e.tagName + "." + e.className + "#" + e.id, seen: s.outlineStyle !== "none" || s.boxShadow !== "none" }; }));
  }
  check("the first stop of the keyboard skips to the results", /skip/.test(stops[0].what), stops[0]);
  check("the theme can be reached by keyboard", stops.some((s) => s.what.includes("#theme")));
  check("every stop of the keyboard is visible", stops.every((s) => s.seen || /BODY|HTML/.test(s.what)), stops.filter((s) => !s.seen).slice(0, 3));

  // themes
  await page.locator("#theme").click();
  check("the theme turns", (await page.evaluate(() => document.documentElement.dataset.theme)) === "dark");
  await page.screenshot({ path: pictures + "/dark-1600.png" });
  await page.locator("#theme").click();

  // accessibility, both themes
  for (const theme of ["light", "dark"]) {
    await page.evaluate((theme) => { document.documentElement.dataset.theme = theme; }, theme);
    await page.evaluate(axe);
    const found = await page.evaluate(async () => (await window.axe.run(document, { resultTypes: ["violations"] })).violations);
    const serious = found.filter((v) => ["serious", "critical"].includes(v.impact));
    check("no serious finding of axe-core, " + theme, serious.length === 0, serious.map((v) => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 160), v.nodes[0].failureSummary.slice(0, 300)]));
    console.log("axe-core, " + theme + ": " + (found.length ? found.map((v) => v.id + " (" + v.impact + ", " + v.nodes.length + ")").join(", ") : "no finding"));
  }
  await page.evaluate(() => { document.documentElement.dataset.theme = "light"; });

  // paper
  const pdf = await page.pdf({ format: "A4", printBackground: true });
  writeFileSync(pictures + "/printed.pdf", pdf);
  check("the page prints to PDF", pdf.length > 50000 && pdf.toString("latin1", 0, 5) === "%PDF-", pdf.length);
  await page.emulateMedia({ media: "print" });
  check("on paper there are no controls", await page.evaluate(() => [...document.querySelectorAll(".controls, .tools, nav, .downloads")].every((e) => !e.offsetHeight)));
  check("on paper the atoms are the ray-traced ones", await page.evaluate(() => [...document.querySelectorAll(".poster")].every((e) => e.offsetHeight > 50)));
  await page.emulateMedia({ media: "screen" });
  check("wide: nothing sticks out sideways", await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await page.screenshot({ path: pictures + "/wide-1600.png" });
  check("hostile names are text", await page.evaluate(() => window.hacked === undefined));
  check("wide: no request, no complaint in the console", trouble.length === 0, trouble);
}

// --- on a telephone ---
{
  const { page, context, trouble } = await open(400, { hasTouch: true, isMobile: true });
  await ready(page);
  check("narrow: nothing sticks out sideways", (await page.evaluate(() => document.documentElement.scrollWidth)) <= 400, await page.evaluate(() => [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > 401 && !e.closest(".scroll, pre, svg, [hidden]")).slice(0, 4).map((e) => e.outerHTML.slice(0, 120))));
  const canvas = page.locator(".scene canvas").first();
  await canvas.scrollIntoViewIfNeeded();
  const b = await canvas.boundingBox(), session = await context.newCDPSession(page), turn = () => page.evaluate(() => [Vitrion.viewers[0].state.turn[0], Vitrion.viewers[0].state.zoom]);
  const touch = (type, points) => session.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y], id) => ({ x: b.x + x, y: b.y + y, id })) });
  const first = await turn();
  await touch("touchStart", [[100, 100]]);
  for (let k = 1; k < 6; k++) await touch("touchMove", [[100 + 15 * k, 100]]);
  await touch("touchEnd", []);
  const second = await turn();
  check("a finger turns the atoms", first[0] !== second[0]);
  await touch("touchStart", [[100, 100], [160, 100]]);
  for (let k = 1; k < 6; k++) await touch("touchMove", [[100 - 8 * k, 100], [160 + 8 * k, 100]]);
  await touch("touchEnd", []);
  check("two fingers zoom", (await turn())[1] > 1.1 * second[1], [second, await turn()]);
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: pictures + "/narrow-400.png", fullPage: true });
  check("narrow: no request, no complaint in the console", trouble.length === 0, trouble);
}

// --- without JavaScript ---
{
  const { page, trouble } = await open(1000, { javaScriptEnabled: false });
  check("without JavaScript there are still charts", (await page.locator("[data-figure] svg").count()) > 3);
  check("without JavaScript the atoms are a picture", (await page.locator("img.poster").count()) > 0);
  check("without JavaScript no button does nothing", (await page.locator("main button:visible").count()) === 0);
  check("without JavaScript nothing is asked of a network", trouble.length === 0, trouble);
}
await browser.close();
console.log(failed ? failed + " checks failed" : "all checks passed");
process.exit(failed ? 1 : 0);
