/** Starts the console in the page. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createConsoleClient } from "./adapters/console_client.ts";
import { findHardwareDecoders } from "./adapters/peer_connection.ts";
import { App } from "./ui/app.tsx";
import { ErrorBoundary } from "./ui/message_page.tsx";
import { applyStoredTheme } from "./ui/theme.ts";

applyStoredTheme();

const root = document.getElementById("root");
if (root === null) throw new Error("The page has no element #root");

// The browser may have to start a process to tell; only an offer waits for the answer.
findHardwareDecoders();
createRoot(root).render(
  <StrictMode>
    <ErrorBoundary>
      <App client={createConsoleClient()} />
    </ErrorBoundary>
  </StrictMode>,
);
