/** Starts the console in the page. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createConsoleClient } from "./adapters/console_client.ts";
import { App } from "./ui/app.tsx";
import { ErrorBoundary } from "./ui/message_page.tsx";
import { applyStoredTheme } from "./ui/theme.ts";

applyStoredTheme();

const root = document.getElementById("root");
if (root === null) throw new Error("The page has no element #root");
createRoot(root).render(
  <StrictMode>
    <ErrorBoundary>
      <App client={createConsoleClient()} />
    </ErrorBoundary>
  </StrictMode>,
);
