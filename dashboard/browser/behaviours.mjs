/** What the page does, tried in the browser: each behaviour says what did not hold. */
import { SAGA_IDS } from "../fixtures/sagas.mjs";
import { BIG } from "../fixtures/serve.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").BrowserContext} Context */
/** @typedef {Awaited<ReturnType<typeof import("../fixtures/serve.mjs").serve>>} Server */
/** @typedef {(page: Page, server: Server) => Promise<void>} Behaviour */

/** @param {boolean} holds @param {string} what */
function demand(holds, what) {
  if (!holds) throw new Error(what);
}

/** @type {Record<string, Behaviour>} */
const ALL = {
  "counts, rows and title come from the server": async (page, server) => {
    await page.goto(`${server.origin}/#/`);
    await page.waitForSelector("tbody tr");
    demand(await page.title() === "2 stuck · sagas", `the title is ${await page.title()}`);
    demand(await page.locator("tbody tr").count() === 50, "the first page has 50 rows");
  },
  "a tile filters, older pages, and back returns": async (page, server) => {
    await page.goto(`${server.origin}/#/`);
    await page.click(".tile:has-text('stuck')");
    await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 2);
    await page.goBack();
    await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 50);
    await page.click("text=Older");
    await page.waitForURL(/cursor=50/);
    await page.click("text=Newest");
    await page.waitForFunction(() => !location.hash.includes("cursor"));
  },
  "old facts are said to be old, and fresh ones again": async (page, server) => {
    await page.goto(`${server.origin}/#/`);
    await page.waitForSelector("tbody tr");
    server.show("away");
    await page.waitForSelector(".banner.lost", { timeout: 8000 });
    demand(/Not reached since 13:\d\d:\d\d UTC, retrying/.test(await page.innerText(".banner")), "the banner says since when");
    demand((await page.title()).startsWith("not reached"), "the title says it too");
    demand(await page.locator("main.stale").count() === 1, "the content looks old");
    const before = await page.locator(".c-started").first().innerText();
    await page.waitForFunction(() => performance.now() > 5000, undefined, { timeout: 8000 });
    demand(await page.locator(".c-started").first().innerText() === before, "nothing ages that nobody sees");
    server.show("busy");
    await page.waitForSelector(".banner", { state: "detached", timeout: 8000 });
    demand(await page.locator("main.stale").count() === 0, "the content is live again");
  },
  "a server that says nothing is noticed": async (page, server) => {
    await page.goto(`${server.origin}/#/`);
    await page.waitForSelector("tbody tr");
    server.show("silent");
    await page.waitForSelector(".banner.late", { timeout: 8000 });
    await page.waitForSelector(".banner.lost", { timeout: 8000 });
  },
  "a sign-in page in place of an answer is named": async (page, server) => {
    server.show("html");
    await page.goto(`${server.origin}/#/`);
    await page.waitForSelector(".banner:has-text('The answer was not JSON')");
  },
  "nothing is asked while nobody looks": async (page, server) => {
    await page.goto(`${server.origin}/#/`);
    await page.waitForSelector("tbody tr");
    let asked = 0;
    page.on("request", () => { asked += 1; });
    await page.waitForFunction(() => performance.now() > 2500);
    demand(asked > 0, "a visible page asks");
    await page.evaluate(() => {
      Object.defineProperty(document, "hidden", { value: true, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    const before = asked;
    const then = await page.evaluate(() => performance.now());
    await page.waitForFunction((from) => performance.now() > from + 2500, then);
    demand(asked === before, `${asked - before} questions while hidden`);
    await page.evaluate(() => {
      Object.defineProperty(document, "hidden", { value: false, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await page.waitForRequest(/v1\/summary/, { timeout: 2000 });
  },
  "the pointer and the keyboard hold the list": async (page, server) => {
    await page.goto(`${server.origin}/#/`);
    await page.hover("tbody tr:nth-child(3) .row-link");
    await page.waitForSelector(".hold-note.held");
    await page.mouse.move(2, 2);
    await page.waitForSelector(".hold-note.held", { state: "detached" });
    await page.focus("button[aria-pressed]");
    await page.keyboard.press("Tab");
    demand(await page.evaluate(() => document.activeElement?.className) === "row-link", "the first row's link is next");
    await page.waitForSelector(".hold-note.held");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".drawing .step");
    demand(await page.evaluate(() => document.activeElement?.id) === "main", "the keyboard is in the new page");
  },
  "a step is selected by keyboard and stays in the address": async (page, server) => {
    await page.goto(`${server.origin}/#/sagas/${SAGA_IDS["stuck"]}`);
    await page.waitForSelector(".drawing .step");
    demand(await page.innerText("#step-head") === "authorize-payment", "the parked step is shown first");
    await page.focus(".drawing .step:first-of-type");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("#step-head")?.textContent === "create-order");
    demand(page.url().endsWith("?step=create-order"), "the address names the step");
    demand(await page.locator(".drawing .step[aria-current]").count() === 1, "one step is selected");
  },
  "numbers are shown as they were written": async (page, server) => {
    await page.goto(`${server.origin}/#/sagas/${SAGA_IDS["completed"]}`);
    await page.waitForSelector(`pre:has-text("${BIG}")`);
  },
  "a large payload starts collapsed, a long history is cut in the middle": async (page, server) => {
    await page.goto(`${server.origin}/#/sagas/${SAGA_IDS["wide"]}`);
    const input = page.locator("section[aria-labelledby=result-head]");
    await input.locator("button[aria-expanded=false]").click();
    await input.locator("pre").waitFor();
    await page.goto(`${server.origin}/#/sagas/${SAGA_IDS["stuck-expired"]}`);
    await page.click("text=/Show \\d+ between/");
    await page.waitForFunction(() => document.querySelectorAll(".timeline li").length === 118);
  },
  "an id is found from a pasted log line, and copied": async (page, server) => {
    const id = SAGA_IDS["running"] ?? "";
    await page.goto(`${server.origin}/#/`);
    await page.fill("#find-id", "019ab0e1");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".find-said:has-text('Paste one whole id')");
    await page.fill("#find-id", `INFO engine: advanced saga=${id} revision=2`);
    await page.keyboard.press("Enter");
    await page.waitForSelector(`.saga-id:has-text("${id}")`);
    await page.click(".saga-id .copy");
    await page.waitForSelector(".copy.copied");
  },
  "without JavaScript the page says where the facts are": async (page, server) => {
    const context = await page.context().browser()?.newContext({ javaScriptEnabled: false });
    const plain = await context?.newPage();
    await plain?.goto(server.origin);
    demand(await plain?.locator("noscript, .noscript").first().innerText().then((text) => text.includes("/v1/summary")) ?? false, "the text is shown");
    await context?.close();
  },
};

/**
 * @param {Context} context @param {Server} server @param {(page: Page, wrong: string[]) => void} listen
 * @returns {Promise<string[]>}
 */
export async function behaviours(context, server, listen) {
  /** @type {string[]} */
  const wrong = [];
  for (const [name, behaviour] of Object.entries(ALL)) {
    server.show("busy");
    const page = await context.newPage();
    /** @type {string[]} */
    const heard = [];
    listen(page, heard);
    try {
      await behaviour(page, server);
    } catch (error) {
      heard.push(String(error));
    }
    await page.close();
    wrong.push(...heard.map((one) => `${name}: ${one}`));
    process.stdout.write(`${heard.length === 0 ? "ok   " : "WRONG"} ${name}\n`);
  }
  return wrong;
}
