/**
 * Looks at the built page in a real browser: every state, phone and desktop, light and dark.
 *
 * Fails on any axe violation, console message of level error or warning, uncaught error (a violation of
 * the content security policy is one), sideways scrolling of the page, and on behaviour that does not
 * hold. Screenshots go to `screenshots/`. Needs Chromium: CHROMIUM, or /usr/bin/chromium.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";
import { SAGA_IDS } from "../fixtures/sagas.mjs";
import { serve } from "../fixtures/serve.mjs";
import { behaviours } from "./behaviours.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("../fixtures/serve.mjs").Scenario} Scenario */
/** @typedef {{ name: string, scenario: Scenario, hash: string, ready: string, then?: { scenario: Scenario, ready: string } }} View */

const EXECUTABLE = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const SHOTS = fileURLToPath(new URL("../screenshots/", import.meta.url));
const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const GZIP_BYTES_MAX = 60_000;

/** @type {View[]} */
const VIEWS = [
  { name: "overview", scenario: "busy", hash: "#/", ready: "tbody tr" },
  { name: "overview-stuck", scenario: "busy", hash: "#/?state=stuck", ready: "tbody tr" },
  { name: "overview-attention", scenario: "busy", hash: "#/?attention=true", ready: "tbody tr" },
  { name: "overview-older", scenario: "busy", hash: "#/?cursor=50", ready: "tbody tr" },
  { name: "overview-calm", scenario: "calm", hash: "#/", ready: "tbody tr" },
  { name: "overview-none", scenario: "calm", hash: "#/?state=stuck&definition=place-order", ready: ".none" },
  { name: "overview-no-replica", scenario: "no-replica", hash: "#/", ready: "tbody tr" },
  { name: "bad-cursor", scenario: "busy", hash: "#/?cursor=nonsense", ready: ".empty" },
  { name: "empty", scenario: "empty", hash: "#/", ready: ".command" },
  { name: "unregistered", scenario: "unregistered", hash: "#/", ready: ".empty" },
  { name: "dead-letters", scenario: "busy", hash: "#/dead-letters", ready: ".letters li" },
  { name: "dead-letters-none", scenario: "calm", hash: "#/dead-letters", ready: ".empty" },
  { name: "unknown-page", scenario: "busy", hash: "#/nowhere", ready: ".empty" },
  { name: "unknown-saga", scenario: "busy", hash: "#/sagas/019ab0ff-0000-7000-8000-00000000dead", ready: ".empty" },
  { name: "away-from-start", scenario: "away", hash: "#/", ready: ".banner.lost" },
  { name: "unavailable-from-start", scenario: "unavailable", hash: "#/", ready: ".banner.lost" },
  { name: "saga-away-from-start", scenario: "away", hash: `#/sagas/${SAGA_IDS["running"]}`, ready: ".banner.lost" },
  { name: "went-away", scenario: "busy", hash: "#/", ready: "tbody tr", then: { scenario: "away", ready: ".banner.lost" } },
  { name: "saga-went-away", scenario: "busy", hash: `#/sagas/${SAGA_IDS["retrying"]}`, ready: ".drawing .step", then: { scenario: "unavailable", ready: ".banner.lost" } },
  ...Object.entries(SAGA_IDS).map(([name, id]) => (
    /** @type {View} */ ({ name: `saga-${name}`, scenario: "busy", hash: `#/sagas/${id}`, ready: ".drawing .step" }))),
];

const SIZES = [{ width: 1280, height: 800 }, { width: 390, height: 844 }];
const SCHEMES = /** @type {const} */ (["light", "dark"]);

/** @param {Page} page @param {string[]} wrong */
function listen(page, wrong) {
  page.on("console", (message) => {
    // The browser itself reports answers that were asked for: a server that is away, a saga that is not there.
    const isExpected = /Failed to load resource: (net::ERR_|the server responded with a status of (503|404|400))/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !isExpected) wrong.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => wrong.push(`uncaught: ${error.message}`));
}

/** @param {Page} page @returns {Promise<string[]>} */
async function violations(page) {
  // Evaluated over the debugger's connection, which the page's own policy does not govern.
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { axe } = /** @type {{ axe: typeof import("axe-core") }} */ (/** @type {unknown} */ (globalThis));
    const { violations: list } = await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
    return list.map(({ id, help, nodes }) => `axe ${id}: ${help}: ${nodes.map(({ target, any }) => `${target.join(" ")} ${any.map(({ message }) => message).join("; ")}`).slice(0, 4).join(" | ")}`);
  });
  return found;
}

/** @param {import("playwright-core").BrowserContext} context @param {Awaited<ReturnType<typeof serve>>} server @param {View} view @param {string} variant */
async function look(context, server, view, variant) {
  /** @type {string[]} */
  const wrong = [];
  server.show(view.scenario);
  const page = await context.newPage();
  listen(page, wrong);
  try {
    await page.goto(`${server.origin}/${view.hash}`);
    await page.waitForSelector(view.ready, { timeout: 8000 });
    if (view.then !== undefined) {
      server.show(view.then.scenario);
      await page.waitForSelector(view.then.ready, { timeout: 8000 });
    }
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (overflow > 0) wrong.push(`the page scrolls sideways by ${overflow} px`);
    wrong.push(...await violations(page));
    await page.screenshot({ path: join(SHOTS, `${view.name}-${variant}.png`), fullPage: true });
  } catch (error) {
    wrong.push(String(error));
  } finally {
    await page.close();
  }
  return wrong.map((one) => `${view.name} ${variant}: ${one}`);
}

/** @returns {Promise<string[]>} */
async function weigh() {
  const files = (await readdir(DIST, { recursive: true, withFileTypes: true })).filter((one) => one.isFile());
  let bytes = 0;
  for (const one of files) bytes += gzipSync(await readFile(join(one.parentPath, one.name))).length;
  process.stdout.write(`dist: ${files.length} files, ${bytes} bytes gzip\n`);
  return bytes > GZIP_BYTES_MAX ? [`dist is ${bytes} bytes gzip, more than ${GZIP_BYTES_MAX}`] : [];
}

async function main() {
  if (!existsSync(EXECUTABLE)) {
    process.stderr.write(`No Chromium at ${EXECUTABLE}. On Debian: apt-get install -y chromium. Elsewhere: CHROMIUM=/path/to/it npm run browser\n`);
    return 2;
  }
  await rm(SHOTS, { recursive: true, force: true });
  await mkdir(SHOTS, { recursive: true });
  const profile = await mkdtemp(join(tmpdir(), "saga-browser-"));
  const server = await serve();
  const wrong = await weigh();
  const only = process.argv[2] ?? "";
  let looks = 0;
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: EXECUTABLE,
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  try {
    for (const viewport of SIZES) {
      for (const colorScheme of SCHEMES) {
        const context = await browser.browser()?.newContext({ viewport, colorScheme, reducedMotion: "reduce" });
        if (context === undefined) throw new Error("the browser gave no context");
        for (const view of VIEWS.filter(({ name }) => name.includes(only))) {
          wrong.push(...await look(context, server, view, `${viewport.width}-${colorScheme}`));
          looks += 1;
        }
        await context.close();
      }
    }
    if (only === "") wrong.push(...await behaviours(browser, server, listen));
  } finally {
    await browser.close();
    server.close();
    await rm(profile, { recursive: true, force: true });
  }
  for (const one of wrong) process.stdout.write(`WRONG ${one}\n`);
  process.stdout.write(`${looks} looks, ${wrong.length} wrong\n`);
  return wrong.length === 0 ? 0 : 1;
}

process.exitCode = await main();
