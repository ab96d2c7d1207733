import "graphiql/setup-workers/vite";
import "graphiql/style.css";

import { pick, useGraphiQL } from "@graphiql/react";
import { GraphiQL } from "graphiql";
import { useEffect } from "react";
import { createRoot } from "react-dom/client";

import { fetcher } from "./fetcher.js";
import { loadHeaders, saveHeaders, takeTokenFromAddress } from "./headers.js";
import { SAMPLES } from "./samples.js";

/** GraphiQL keeps headers per tab; this puts the shared ones into whichever tab is shown, and keeps what is typed. */
function SharedHeaders() {
  const { activeTabIndex, headerEditor } = useGraphiQL(pick("activeTabIndex", "headerEditor"));
  useEffect(() => {
    headerEditor?.setValue(loadHeaders());
    const edits = headerEditor?.onDidChangeModelContent(({ isFlush }) => {
      // A flush is the whole text set by GraphiQL, which does so with the tab's own headers at each change of tabs.
      if (!isFlush) saveHeaders(headerEditor.getValue());
    });
    return () => edits?.dispose();
  }, [activeTabIndex, headerEditor]);
  return null;
}

takeTokenFromAddress();
// A link with a new token, pasted over the page's address, changes the hash alone and loads nothing.
window.addEventListener("hashchange", () => location.reload());

createRoot(document.getElementById("root")).render(
  <GraphiQL
    fetcher={fetcher}
    defaultTabs={SAMPLES}
    defaultHeaders={loadHeaders()}
    shouldPersistHeaders={false}
    plugins={[]} // not the history: it would keep every bearer token in local storage
  >
    <GraphiQL.Logo>Synapse</GraphiQL.Logo>
    <SharedHeaders />
  </GraphiQL>,
);
