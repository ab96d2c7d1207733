import { defineConfig } from "vite";

export default defineConfig({
  base: "/graphiql/",
  build: {
    license: { fileName: "licenses.md" }, // of the libraries inside, for those who pass the page on
    // The editor alone is some megabytes, loaded once and cached for good under its hashed name.
    chunkSizeWarningLimit: 4096,
    // "use client" and the like in our libraries mean nothing to a page without a server side.
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
});
