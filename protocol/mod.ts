/** Everything that crosses a boundary between agent, server and console. Pure. */
export * from "./control.ts";
export * from "./diff_codec.ts";
export * from "./errors.ts";
export * from "./events.ts";
export * from "./input_codec.ts";
export { parseIp } from "./ip_address.ts";
export * from "./limits.ts";
export * from "./link.ts";
export * from "./messages.ts";
export * from "./nearest.ts";
export * from "./otel_env.ts";
export * from "./pixel_runs.ts";
export * from "./relay_codec.ts";
export * from "./result.ts";
export * from "./sdp.ts";
export * from "./trace_context.ts";
export * from "./version.ts";
export * from "./vocabulary.ts";
