/** What FFmpeg's own tools make of our H.264, as an independent judge. */
import { Picture } from "./pictures.ts";

async function run(command: string, args: string[], stdin: Uint8Array): Promise<Uint8Array> {
  const child = new Deno.Command(command, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  })
    .spawn();
  const writer = child.stdin.getWriter();
  const [output] = await Promise.all([
    child.output(),
    // A tool that has seen enough closes its input; its exit code tells whether that was right.
    writer.write(stdin).then(() => writer.close()).catch(() => {}),
  ]);
  if (!output.success) throw new Error(`${command}: ${new TextDecoder().decode(output.stderr)}`);
  return output.stdout;
}

/** Decodes an Annex B stream whose pictures have one size, into BGRX pictures. */
export async function decodeAnnexB(
  stream: Uint8Array,
  width: number,
  height: number,
): Promise<Picture[]> {
  const raw = await run("ffmpeg", [
    ..."-v error -xerror -f h264 -i - -fps_mode passthrough".split(" "),
    ..."-sws_flags accurate_rnd+full_chroma_int+bilinear -f rawvideo -pix_fmt bgr0 -".split(" "),
  ], stream);
  const size = width * height * 4;
  if (raw.length % size !== 0) {
    throw new Error(`decoded ${raw.length} bytes, not of ${width}x${height}`);
  }
  return Array.from({ length: raw.length / size }, (_, i) => {
    const picture = new Picture(width, height);
    picture.pixels.set(raw.subarray(i * size, (i + 1) * size));
    return picture;
  });
}

/** ffprobe's view of the stream and of each frame. */
export async function probeAnnexB(stream: Uint8Array): Promise<{
  streams: Record<string, unknown>[];
  frames: Record<string, unknown>[];
}> {
  const json = await run("ffprobe", [
    ..."-v error -f h264 -show_streams -show_frames -of json -i -".split(" "),
  ], stream);
  return JSON.parse(new TextDecoder().decode(json));
}
