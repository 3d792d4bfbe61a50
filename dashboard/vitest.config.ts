/** No DOM; a test that asks a server has one of its own on loopback. `npm run browser` looks at the page itself. */
import { defineConfig } from "vitest/config";

export default defineConfig({ test: { include: ["tests/**/*.test.ts"], environment: "node" } });
