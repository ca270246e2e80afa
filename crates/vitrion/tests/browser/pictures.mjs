// Makes the pictures of the README: usage `node pictures.mjs CHROMIUM demo-results/report.html docs/images`.
import { chromium } from "playwright-core";
import { pathToFileURL } from "node:url";

const [executablePath, report, images] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
});
const page = await browser.newPage({ viewport: { width: 1240, height: 900 } });
await page.goto(pathToFileURL(report).href);
await page.evaluate(() => Vitrion.ready);
await page.evaluate(async () => { for (const viewer of Vitrion.viewers) await viewer.start(); });
await page.screenshot({ path: images + "/report.png", clip: { x: 0, y: 0, width: 1240, height: 760 } });
const control = (scene, label) => page.locator(".scene").nth(scene).locator("label", { hasText: new RegExp("^" + label) }).locator("select, input").first();
await control(0, "polyhedra").check();
await control(1, "Colour ").selectOption("displacement");
await control(1, "Size ").selectOption("displacement");
await control(1, "paths").check();
await page.locator(".scene").nth(1).locator("input[type=range]").first().fill("60");
await page.locator(".runs").evaluate((e) => { e.style.position = "static"; });
await page.locator(".scenes").evaluate((e) => window.scrollTo({ top: e.getBoundingClientRect().top + window.scrollY - 20, behavior: "instant" }));
await page.waitForTimeout(500);
await page.screenshot({ path: images + "/report-atoms.png", clip: { x: 0, y: 0, width: 1240, height: 740 } });
await browser.close();
