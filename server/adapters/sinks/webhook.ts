/** Events by HTTP POST: a batch of lines, signed, at least once. */
import { createHash, createHmac } from "node:crypto";
import type { SinkWriter } from "../../core/telemetry/ports.ts";

export interface WebhookOptions {
  readonly url: string;
  readonly secret: string;
  /** Unix ms. */
  readonly clock: () => number;
}

export const SIGNATURE_HEADER = "x-farglass-signature";
export const TIMESTAMP_HEADER = "x-farglass-timestamp";

/** `v1=` and the hexadecimal HMAC-SHA256 of `<timestamp>.<body>`. */
export const signatureOf = (secret: string, timestamp: string, body: string): string =>
  `v1=${createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex")}`;

export class WebhookWriter implements SinkWriter {
  readonly #options: WebhookOptions;

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  async write(lines: readonly string[], signal: AbortSignal): Promise<void> {
    const { url, secret, clock } = this.#options;
    const body = lines.map((line) => `${line}\n`).join("");
    const timestamp = String(Math.floor(clock() / 1000));
    const response = await fetch(url, {
      method: "POST",
      body,
      signal,
      redirect: "manual",
      headers: {
        "content-type": "application/x-ndjson",
        // The same when the same lines are sent again.
        "idempotency-key": createHash("sha256").update(body).digest("hex").slice(0, 32),
        [TIMESTAMP_HEADER]: timestamp,
        [SIGNATURE_HEADER]: signatureOf(secret, timestamp, body),
      },
    }).catch((cause) => {
      // The error's own words name the URL.
      throw Object.assign(new Error("The receiver was not reached", { cause }), {
        code: "UNREACHABLE",
      });
    });
    await response.body?.cancel();
    if (!response.ok) {
      throw Object.assign(new Error("The receiver refused"), { code: `HTTP_${response.status}` });
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
