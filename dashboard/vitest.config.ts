/** The tests are pure logic: no DOM, no network. `npm run browser` looks at the page itself. */
import { defineConfig } from "vitest/config";

export default defineConfig({ test: { include: ["tests/**/*.test.ts"], environment: "node" } });
