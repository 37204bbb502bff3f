/** Syslog messages: RFC 5424, framed by octet counting (RFC 6587 section 3.4.1, RFC 5425). */
import type { EventAction, SecurityEvent } from "@farglass/protocol";
import { PRODUCT, SERVICE_VERSION, severityNumber } from "./facts.ts";

/** "log audit", RFC 5424 section 6.2.1. */
const FACILITY = 13;
/** Our severities 1 to 4 as RFC 5424 counts them: informational, notice, warning, error. */
const SEVERITIES = [6, 6, 5, 4, 3] as const;

/** The PRI, VERSION, TIMESTAMP, HOSTNAME, APP-NAME, PROCID, MSGID and structured data. */
export function syslogMessage(
  event: SecurityEvent,
  message: string,
  origin: { readonly hostname: string; readonly processId: string },
): string {
  const priority = FACILITY * 8 + SEVERITIES[severityNumber(event)];
  const timestamp = new Date(event.at).toISOString();
  const data = `[origin software="${PRODUCT}" swVersion="${SERVICE_VERSION}"]`;
  const header = [
    `<${priority}>1`,
    timestamp,
    printable(origin.hostname, 255),
    PRODUCT.toLowerCase(),
    printable(origin.processId, 128),
    messageId(event.action),
  ].join(" ");
  return `${header} ${data} ${message}`;
}

/** MSGID holds 32 characters; every action is shorter. */
const messageId = (action: EventAction): string => printable(action, 32);

/** PRINTUSASCII without spaces, as the header's fields ask for; "-" for nothing. */
function printable(text: string, max: number): string {
  const clean = text.replace(/[^\x21-\x7e]/g, "").slice(0, max);
  return clean === "" ? "-" : clean;
}
