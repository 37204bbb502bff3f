/**
 * Keeps what a console sends over SCTP (RFC 9260, RFC 8831) from ending the process: werift
 * handles packets in promises that nobody awaits, so that one malformed chunk, an unknown payload
 * type or a failed send would be an unhandled rejection; and it takes more than its own receive
 * window allows.
 */
import type { Buffer } from "node:buffer";
import type { RTCSctpTransport } from "werift";

interface SctpInternals {
  advertisedRwnd: number;
  handleData(data: Buffer): Promise<void>;
  receiveDataChunk(chunk: { readonly userData: Buffer }): void;
  readonly transport: { send: (data: Buffer) => Promise<void> };
  readonly onReceive: {
    allUnsubscribe(): void;
    subscribe(listener: (streamId: number, payloadType: number, data: Buffer) => void): unknown;
  };
}

interface ChannelInternals {
  datachannelReceive(streamId: number, payloadType: number, data: Buffer): Promise<void>;
  dataChannelFlush(): Promise<void>;
}

/** Guards one association. `onFault` is told of each packet that werift could not handle. */
export function guardSctp(transport: RTCSctpTransport, onFault: () => void): void {
  const sctp = transport.sctp as unknown as SctpInternals;
  const channels = transport as unknown as ChannelInternals;
  const { handleData, receiveDataChunk } = sctp;
  const { datachannelReceive, dataChannelFlush } = channels;
  if (!handleData || !receiveDataChunk || !datachannelReceive || !dataChannelFlush) {
    throw new Error("werift's SCTP is not the one this was written for");
  }
  sctp.handleData = (data) => handleData.call(sctp, data).catch(onFault);
  sctp.receiveDataChunk = (chunk) => {
    // A sender that respects the window never comes here; the chunk counts as lost.
    if (sctp.advertisedRwnd < chunk.userData.length) onFault();
    else receiveDataChunk.call(sctp, chunk);
  };
  sctp.onReceive.allUnsubscribe();
  sctp.onReceive.subscribe((streamId, payloadType, data) => {
    datachannelReceive.call(transport, streamId, payloadType, data).catch(onFault);
  });
  channels.dataChannelFlush = () => dataChannelFlush.call(transport).catch(() => {/* see send */});
  const { send } = sctp.transport;
  // What cannot be sent is sent again by SCTP's timer, or the path is gone and ICE says so.
  sctp.transport.send = (data) => send(data).catch(() => {});
}
