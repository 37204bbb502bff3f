/**
 * Puts a DTLS client's handshake (RFC 6347 section 4.2) in order for werift's DTLS server. That
 * server takes each handshake message as it comes: a retransmitted one is hashed twice, one that
 * arrives without its predecessor is an error, and a new ClientHello in a running session throws
 * its keys away. A busy machine or one lost packet then ends the session. Behind this filter each
 * message arrives once and in order; what is dropped comes again, for a DTLS client repeats its
 * flight until it is answered.
 */

const RECORD_HEADER_BYTES = 13;
const FRAGMENT_HEADER_BYTES = 12;
const CHANGE_CIPHER_SPEC = 20;
const ALERT = 21;
const HANDSHAKE = 22;
const APPLICATION_DATA = 23;
const CERTIFICATE = 11;
const CLIENT_KEY_EXCHANGE = 16;
const CERTIFICATE_VERIFY = 15;
/** A Certificate message without a certificate is the length of its list only (RFC 5246 section 7.4.6). */
const EMPTY_CERTIFICATE_BYTES = 3;

/** What becomes of a datagram. */
export interface Filtered {
  /** What the server may see; empty when nothing is left. */
  readonly pass: Uint8Array;
  /** The client repeats its last flight: the server's own last flight (6) was lost. */
  readonly repeatLastFlight: boolean;
}

/** State of one client's handshake. */
export class DtlsFilter {
  #nextMessage = 0;
  #nextOffset = 0;
  #lastType = 0;
  /** The client sent a certificate, so it signs with CertificateVerify (RFC 5246 section 7.4.8). */
  #certified = false;
  #cipherChanged = false;
  #finishedPassed = false;
  #established = false;

  /** The server has verified the client's Finished: the handshake is closed. */
  establish(): void {
    this.#established = true;
  }

  /** Filters one datagram that begins like DTLS (first byte 20 to 63, RFC 7983 section 7). */
  filter(datagram: Uint8Array): Filtered {
    const kept: Uint8Array[] = [];
    let repeatLastFlight = false;
    let offset = 0;
    while (offset + RECORD_HEADER_BYTES <= datagram.length) {
      const length = datagram[offset + 11] << 8 | datagram[offset + 12];
      const end = offset + RECORD_HEADER_BYTES + length;
      if (end > datagram.length) break;
      const record = datagram.subarray(offset, end);
      offset = end;
      const epoch = record[3] << 8 | record[4];
      if (this.#established && record[0] === HANDSHAKE && epoch > 0) repeatLastFlight = true;
      const passed = this.#record(record, epoch);
      if (passed !== null) kept.push(passed);
    }
    return { pass: kept.length === 1 ? kept[0] : concat(kept), repeatLastFlight };
  }

  #record(record: Uint8Array, epoch: number): Uint8Array | null {
    switch (record[0]) {
      case HANDSHAKE:
        if (this.#established) return null;
        return epoch === 0 ? this.#plainHandshake(record) : this.#finished(record);
      case CHANGE_CIPHER_SPEC: {
        const due = this.#lastType === (this.#certified ? CERTIFICATE_VERIFY : CLIENT_KEY_EXCHANGE);
        if (this.#cipherChanged || !due) return null;
        this.#cipherChanged = true;
        return record;
      }
      case ALERT:
        // Once there are keys, an alert without them is from somebody else.
        return this.#established && epoch === 0 ? null : record;
      case APPLICATION_DATA:
        return epoch > 0 ? record : null;
      default:
        return null;
    }
  }

  #finished(record: Uint8Array): Uint8Array | null {
    if (!this.#cipherChanged || this.#finishedPassed) return null;
    this.#finishedPassed = true;
    return record;
  }

  /** Keeps those fragments of a record that are due. */
  #plainHandshake(record: Uint8Array): Uint8Array | null {
    const kept: Uint8Array[] = [];
    let offset = RECORD_HEADER_BYTES;
    while (offset + FRAGMENT_HEADER_BYTES <= record.length) {
      const end = offset + FRAGMENT_HEADER_BYTES + uint24(record, offset + 9);
      if (end > record.length) break;
      const fragment = record.subarray(offset, end);
      offset = end;
      if (this.#isDue(fragment)) kept.push(fragment);
    }
    if (kept.length === 0) return null;
    const body = concat(kept);
    if (RECORD_HEADER_BYTES + body.length === record.length) return record;
    const out = new Uint8Array(RECORD_HEADER_BYTES + body.length);
    out.set(record.subarray(0, RECORD_HEADER_BYTES));
    out[11] = body.length >> 8;
    out[12] = body.length & 0xff;
    out.set(body, RECORD_HEADER_BYTES);
    return out;
  }

  #isDue(fragment: Uint8Array): boolean {
    const length = uint24(fragment, 1);
    const message = fragment[4] << 8 | fragment[5];
    const start = uint24(fragment, 6);
    const size = uint24(fragment, 9);
    if (start + size > length || (size === 0 && length > 0)) return false;
    // The first ClientHello is answered each time (RFC 6347 section 4.2.1), until the second has come.
    const again = message === 0 && this.#nextMessage === 1 && start === 0;
    if (again) {
      this.#nextMessage = 0;
      this.#nextOffset = 0;
    }
    if (message !== this.#nextMessage || start !== this.#nextOffset) return false;
    this.#nextOffset += size;
    if (this.#nextOffset === length) {
      this.#nextMessage++;
      this.#nextOffset = 0;
      this.#lastType = fragment[0];
      if (fragment[0] === CERTIFICATE && length > EMPTY_CERTIFICATE_BYTES) this.#certified = true;
    }
    return true;
  }
}

const uint24 = (data: Uint8Array, at: number): number =>
  data[at] << 16 | data[at + 1] << 8 | data[at + 2];

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}
