export * from "./session_view.ts";
