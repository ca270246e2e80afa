// Looks at the live page in headless Chromium: usage `node live.mjs CHROMIUM URL PICTURES`. As check.mjs.
import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [executablePath, url, pictures] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
let failed = 0;
function check(what, good, found) {
  if (!good) failed++;
  console.log((good ? "ok      " : "FAILED  ") + what + (good || found === undefined ? "" : ": " + JSON.stringify(found)));
}
for (const width of [400, 1600]) {
  const page = await (await browser.newContext({ viewport: { width, height: 900 } })).newPage(), trouble = [];
  page.on("console", (m) => { if (["error", "warning"].includes(m.type())) trouble.push(m.text()); });
  page.on("pageerror", (e) => trouble.push(e.message));
  page.on("dialog", (d) => { trouble.push("dialog " + d.message()); d.dismiss(); });
  page.on("request", (r) => { if (new URL(r.url()).origin !== new URL(url).origin) trouble.push("request " + r.url()); });
  await page.goto(url);
  await page.waitForFunction(() => document.querySelectorAll(".plot svg path").length > 3);
  check(width + " px: curves are drawn", true);
  check(width + " px: the state of the run is told", /finished|running/i.test(await page.innerText("body")));
  check(width + " px: hostile names are text", await page.evaluate(() => window.hacked === undefined));
  check(width + " px: nothing sticks out sideways", await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  const surface = page.locator(".plot .surface").first();
  await surface.scrollIntoViewIfNeeded();
  const b = await surface.boundingBox();
  await page.mouse.move(b.x + 0.4 * b.width, b.y + 0.3 * b.height);
  await page.mouse.down();
  await page.mouse.move(b.x + 0.7 * b.width, b.y + 0.7 * b.height, { steps: 4 });
  await page.mouse.up();
  check(width + " px: dragging zooms a chart", await page.evaluate(() => Vitrion.charts[0].zoom !== null));
  await page.locator(".plot .tools button", { hasText: "Reset" }).first().click();
  check(width + " px: Reset goes back", await page.evaluate(() => Vitrion.charts[0].zoom === null));
  await page.evaluate(axe);
  const serious = await page.evaluate(async () => (await window.axe.run(document, { resultTypes: ["violations"] })).violations.filter((v) => ["serious", "critical"].includes(v.impact)));
  check(width + " px: no serious finding of axe-core", serious.length === 0, serious.map((v) => [v.id, v.nodes[0].html.slice(0, 160)]));
  await page.waitForTimeout(2500);
  check(width + " px: no complaint in the console after another look", trouble.length === 0, trouble);
  await page.screenshot({ path: pictures + "/live-" + width + ".png", fullPage: true });
}
await browser.close();
console.log(failed ? failed + " checks failed" : "all checks passed");
process.exit(failed ? 1 : 0);
