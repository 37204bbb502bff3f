/** The audio section of the console's offer: one Opus format (RFC 7587 section 7), stereo. */

/** The Opus format chosen from the offer. */
export interface AudioChoice {
  readonly mid: string;
  readonly payloadType: number;
}

/**
 * What the answer says of Opus: packets of 10 ms, two channels. There is no in-band repair, for that
 * is of SILK (RFC 6716 section 2.1.7), which music and low delay exclude.
 */
export const OPUS_PARAMETERS = "minptime=10;stereo=1;sprop-stereo=1;useinbandfec=0";

/** Name of the sound's media stream (RFC 8830). */
export const SOUND_STREAM = "farglass-sound";

interface Section {
  readonly lines: readonly string[];
  readonly mid: string;
}

/** Opus in a section that listens; null when there is none. */
export function chooseAudio(section: Section): AudioChoice | null {
  if (!section.lines.includes("a=recvonly")) return null;
  for (const line of section.lines) {
    const payloadType = /^a=rtpmap:(\d{1,3}) opus\/48000\/2$/i.exec(line)?.[1];
    if (payloadType !== undefined) return { mid: section.mid, payloadType: Number(payloadType) };
  }
  return null;
}

/** The section's lines with that format only; sound takes no part in the video's feedback. */
export function keepAudio(section: Section, { payloadType }: AudioChoice): string[] {
  return section.lines.flatMap((line, i) => {
    if (i === 0) return [[...line.split(" ").slice(0, 3), payloadType].join(" ")];
    if (line.startsWith("a=rtcp-fb:")) return [];
    const match = /^a=(?:rtpmap|fmtp):(\d{1,3}) /.exec(line);
    return match === null || Number(match[1]) === payloadType ? [line] : [];
  });
}
