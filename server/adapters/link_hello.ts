/** The first message of a link, before anything is believed. */
import {
  CLOSE,
  type CodedError,
  codedError,
  decodeMessage,
  type MessageOf,
} from "@farglass/protocol";
import { PROTOCOL_VERSION } from "@farglass/protocol";
import type { Identity } from "./link_types.ts";

type Hello = MessageOf<"HELLO">["payload"];

export type HelloRead =
  | ({ readonly ok: true } & Pick<Hello, "ticket" | "agent" | "resume">)
  | { readonly ok: false; readonly error: CodedError; readonly close: number };

/** Reads HELLO and compares it with what the upgrade proved; a ticket is not yet looked at. */
export function readHello(text: string, identity: Identity): HelloRead {
  const no = (error: CodedError, close: number) => ({ ok: false, error, close }) as const;
  const decoded = decodeMessage(text, identity.role);
  if (!decoded.ok) return no(decoded.error, CLOSE.policyViolation);
  if (decoded.value.type !== "HELLO") {
    return no(codedError("out-of-state", "HELLO first"), CLOSE.policyViolation);
  }
  const { version, role, ticket, agent, resume } = decoded.value.payload;
  if (version !== PROTOCOL_VERSION) {
    const detail = `${role} ${version}, server ${PROTOCOL_VERSION}`;
    return no(codedError("wrong-version", detail), CLOSE.wrongVersion);
  }
  const mine = role === identity.role &&
    (identity.role === "console" || agent?.agentId === identity.agentId);
  if (!mine) return no(codedError("unauthorized"), CLOSE.unauthorized);
  return { ok: true, ticket, agent, resume };
}

/** An ERROR without a number, as text: it is not kept and not sent again. `now` in Unix ms. */
export function bareError(error: CodedError, now: number, refType?: string): string {
  const payload = { ...error, ...(refType === undefined ? {} : { refType }) };
  return JSON.stringify({ type: "ERROR", seq: 0, ack: 0, ts: now, payload });
}
