// How long a report takes in headless Chromium: usage `node time.mjs CHROMIUM REPORT.html`. A measurement, not a test: five openings, medians.
import { chromium } from "playwright-core";
import { statSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [executablePath, report] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
});
const median = (all) => all.sort((a, b) => a - b)[all.length >> 1].toFixed(0) + " ms";
const seen = { "first contentful paint": [], "all charts drawn": [], "first atoms drawn": [], "a frame of the first atoms": [], "the same without drawing": [] };
let atoms = "";
for (let k = 0; k < 5; k++) {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  await page.goto(pathToFileURL(report).href);
  await page.evaluate(() => Vitrion.ready);
  seen["all charts drawn"].push(await page.evaluate(() => performance.now()));
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint").map((e) => e.startTime)[0]);
  if (paint) seen["first contentful paint"].push(paint);
  const found = await page.evaluate(async () => {
    const viewer = (Vitrion.viewers || [])[0];
    if (!viewer) return null;
    document.querySelector("[data-scene]").scrollIntoView();
    let t = performance.now();
    await viewer.start();
    viewer.pixels();
    const start = performance.now() - t, frames = [], steps = [];
    for (let f = 0; f < Math.min(viewer.atoms.frames, 10); f++) {
      t = performance.now();
      viewer.atoms.placed(f);
      steps.push(performance.now() - t);
      t = performance.now();
      viewer.state.frame = f;
      viewer.pixels();
      frames.push(performance.now() - t + steps[steps.length - 1]);
    }
    const middle = (all) => all.sort((a, b) => a - b)[all.length >> 1];
    return { start, frame: middle(frames), step: middle(steps), atoms: viewer.atoms.count + " atoms, " + viewer.atoms.frames + " frames" };
  });
  if (found) {
    seen["first atoms drawn"].push(found.start);
    seen["a frame of the first atoms"].push(found.frame);
    seen["the same without drawing"].push(found.step);
    atoms = found.atoms;
  }
  await page.close();
}
await browser.close();
console.log((statSync(report).size / 1e6).toFixed(2) + " MB" + (atoms && "; first atoms: " + atoms));
for (const [what, all] of Object.entries(seen)) if (all.length) console.log(what + ": " + median(all));
