/** The console's pure core: one machine, its view, and the mapping of input. */
export * from "./composition.ts";
export * from "./course.ts";
export * from "./events.ts";
export * from "./latency.ts";
export * from "./machine.ts";
export * from "./policy.ts";
export type { Rng } from "./random.ts";
export type { ConsoleReport } from "./report.ts";
export * from "./session_record.ts";
export * from "./session_view.ts";
export * from "./state.ts";
export * from "./stats.ts";
export * from "./view.ts";
export * from "./key_usages.ts";
export * from "./keyboard.ts";
export * from "./keysyms.ts";
export * from "./pointer.ts";
export * from "./touch.ts";
