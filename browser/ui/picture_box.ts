/** Where the picture stands: sizes in CSS pixels unless named otherwise. */

/** How the picture is scaled. */
export type Scaling = "fit" | "one-to-one";

/** What the box depends on. */
export interface PictureSpace {
  readonly areaWidth: number;
  readonly areaHeight: number;
  /** Of the remote screen, in its own pixels; 0 when not known yet. */
  readonly screenWidth: number;
  readonly screenHeight: number;
  readonly devicePixelRatio: number;
}

/**
 * The picture's size: the largest that keeps the aspect ratio, or one remote pixel on one device
 * pixel. Edges lie on device pixels, so that a picture shown at its own size is not blurred.
 */
export function pictureBox(
  scaling: Scaling,
  space: PictureSpace,
): { readonly width: number; readonly height: number } {
  const ratio = space.devicePixelRatio > 0 ? space.devicePixelRatio : 1;
  const known = space.screenWidth > 0 && space.screenHeight > 0;
  const width = known ? space.screenWidth : 16;
  const height = known ? space.screenHeight : 9;
  if (scaling === "one-to-one" && known) return { width: width / ratio, height: height / ratio };
  const scale = Math.min(space.areaWidth / width, space.areaHeight / height);
  const snap = (side: number) => Math.max(1, Math.floor(side * scale * ratio + 1e-6)) / ratio;
  return { width: snap(width), height: snap(height) };
}
