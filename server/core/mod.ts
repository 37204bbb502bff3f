/** The server's pure core; the purity gate compiles it from here. */
export * from "./controller.ts";
export * from "./deadlines.ts";
export * from "./events.ts";
export * from "./link_machine.ts";
export * from "./once.ts";
export * from "./origins.ts";
export * from "./policy.ts";
export * from "./ports.ts";
export * from "./rate_limit.ts";
export * from "./redact.ts";
export * from "./relay_flow.ts";
export * from "./stages.ts";
export * from "./state.ts";
export * from "./views.ts";
export * from "./telemetry/ecs.ts";
export * from "./telemetry/facts.ts";
export * from "./telemetry/ocsf.ts";
