/** The sound's section and track of a libdatachannel peer. */
import { randomBytes } from "node:crypto";
import { Audio, type PeerConnection, type Track } from "node-datachannel";
import { type AudioChoice, OPUS_PARAMETERS, SOUND_STREAM } from "../../core/offer_audio.ts";
import { EXTENSION_URI } from "../../core/rtp_extensions.ts";
import { SoundSender } from "../peer_werift/sound_sender.ts";
import { TrackRtp } from "./track_rtp.ts";

/** Adds the track before the offer is applied. */
export function addSound(
  pc: PeerConnection,
  choice: AudioChoice,
  { offer, cname }: { readonly offer: string; readonly cname: string },
): { readonly track: Track; readonly sender: SoundSender } {
  const audio = new Audio(choice.mid, "SendOnly");
  audio.addOpusCodec(choice.payloadType, OPUS_PARAMETERS);
  const ids = extensionsOf(offer, choice.mid);
  const id = ids.get(EXTENSION_URI.mid);
  const extensionIds = new Map(id === undefined ? [] : [[EXTENSION_URI.mid, id]]);
  for (const [uri, id] of extensionIds) audio.parseSdpLine(`a=extmap:${id} ${uri}`);
  const ssrc = randomBytes(4).readUInt32BE();
  // Not the screen's stream: a browser would hold the sound back until the two fit.
  audio.addSSRC(ssrc, cname, SOUND_STREAM, "sound");
  const track = pc.addTrack(audio);
  const rtp = new TrackRtp(track, { ssrc, rtxSsrc: 0, extensionIds, cname });
  return { track, sender: new SoundSender(rtp, choice) };
}

/** Ids that the offer gives to the header extensions that are used (RFC 8285 section 5). */
export function extensionsOf(offer: string, mid: string): Map<string, number> {
  const section = offer.split(/^m=/m).find((part) => part.includes(`\na=mid:${mid}\r`)) ?? "";
  const known: readonly string[] = Object.values(EXTENSION_URI);
  const ids = new Map<string, number>();
  for (const [, id, uri] of section.matchAll(/^a=extmap:(\d{1,2})(?:\/\w+)? (\S+)/gm)) {
    // One-byte headers have room for 14 ids.
    if (known.includes(uri) && Number(id) >= 1 && Number(id) <= 14) ids.set(uri, Number(id));
  }
  return ids;
}
