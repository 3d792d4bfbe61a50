/**
 * How the page is built. The result must run under `default-src 'none'`: nothing inlined into the
 * HTML (`assetsInlineLimit`, no preload polyfill), everything else under `/assets/`.
 */
import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The binary carries dist: source maps would triple it.
    sourcemap: false,
  },
});
