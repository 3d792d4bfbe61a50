import { createServer, type Server } from "node:http";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { askSaga } from "../src/api";

/** A server with one saga; its answers by status. */
let server: Server;
let revision = 1;
let answers: number[] = [];

beforeEach(async () => {
  server = createServer((request, response) => {
    const tag = `W/"${revision}"`;
    const status = request.headers["if-none-match"] === tag ? 304 : 200;
    answers.push(status);
    response.writeHead(status, { etag: tag, "content-type": "application/json" });
    response.end(status === 304 ? undefined : JSON.stringify({ revision }));
  });
  await new Promise<void>((listens) => server.listen(0, "127.0.0.1", listens));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const base = `http://127.0.0.1:${address.port}`;
  const real = globalThis.fetch;
  // Node knows no origin that a path could belong to.
  vi.stubGlobal("fetch", (path: string, options: RequestInit) => real(`${base}${path}`, options));
  revision = 1;
  answers = [];
});

afterEach(async () => {
  vi.unstubAllGlobals();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

test("a saga is sent again only when it has changed", async () => {
  const ask = askSaga("a");
  const abort = new AbortController().signal;
  const first = await ask(abort);
  expect(await ask(abort)).toBe(first);
  revision = 2;
  expect((await ask(abort)).revision).toBe(2);
  await ask(abort);
  expect(answers).toEqual([200, 304, 200, 304]);
});
