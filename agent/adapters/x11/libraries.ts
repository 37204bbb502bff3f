import { err, ok, type Result } from "@farglass/protocol";
import {
  C_SYMBOLS,
  X11_SYMBOLS,
  XDAMAGE_SYMBOLS,
  XEXT_SYMBOLS,
  XFIXES_SYMBOLS,
  XI_SYMBOLS,
  XINERAMA_SYMBOLS,
  XRANDR_SYMBOLS,
  XTST_SYMBOLS,
} from "./symbols.ts";

/** Why the X11 screen cannot be shared; `message` is one sentence that says what to do. */
export interface X11OpenError {
  readonly code:
    | "no-display"
    | "library-missing"
    | "extension-missing"
    | "screen-unsupported"
    | "shared-memory";
  readonly message: string;
}

const open = <S extends Deno.ForeignLibraryInterface>(name: string, symbols: S) =>
  Deno.dlopen(name, symbols);

type Symbols<S extends Deno.ForeignLibraryInterface> = Deno.DynamicLibrary<S>["symbols"];

export interface X11Libraries {
  readonly x: Symbols<typeof X11_SYMBOLS>;
  readonly ext: Symbols<typeof XEXT_SYMBOLS>;
  readonly damage: Symbols<typeof XDAMAGE_SYMBOLS>;
  readonly fixes: Symbols<typeof XFIXES_SYMBOLS>;
  readonly test: Symbols<typeof XTST_SYMBOLS>;
  readonly xi: Symbols<typeof XI_SYMBOLS>;
  readonly c: Symbols<typeof C_SYMBOLS>;
  /** Null where they are not installed: then the screen counts as one display. */
  readonly randr: Symbols<typeof XRANDR_SYMBOLS> | null;
  readonly xinerama: Symbols<typeof XINERAMA_SYMBOLS> | null;
  close(): void;
}

/** Library file and the Debian and Ubuntu package that brings it. */
const FILES = {
  x: ["libX11.so.6", "libx11-6"],
  ext: ["libXext.so.6", "libxext6"],
  damage: ["libXdamage.so.1", "libxdamage1"],
  fixes: ["libXfixes.so.3", "libxfixes3"],
  test: ["libXtst.so.6", "libxtst6"],
  xi: ["libXi.so.6", "libxi6"],
  c: ["libc.so.6", "libc6"],
} as const;

/** What only tells more about the displays. */
const OPTIONAL_FILES = { randr: "libXrandr.so.2", xinerama: "libXinerama.so.1" } as const;

/** Loads the X libraries, or says which packages are missing. `names` is for tests. */
export function loadX11Libraries(
  names: Readonly<Record<keyof typeof FILES, readonly [string, string]>> = FILES,
): Result<X11Libraries, X11OpenError> {
  const loaded: { close(): void }[] = [];
  const missing: (readonly [string, string])[] = [];
  const load = <S extends Deno.ForeignLibraryInterface>(
    [file, debian]: readonly [string, string],
    symbols: S,
  ): Symbols<S> | null => {
    try {
      const library = open(file, symbols);
      loaded.push(library);
      return library.symbols;
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
      missing.push([file, debian]);
      return null;
    }
  };
  const x = load(names.x, X11_SYMBOLS);
  const ext = load(names.ext, XEXT_SYMBOLS);
  const damage = load(names.damage, XDAMAGE_SYMBOLS);
  const fixes = load(names.fixes, XFIXES_SYMBOLS);
  const test = load(names.test, XTST_SYMBOLS);
  const xi = load(names.xi, XI_SYMBOLS);
  const c = load(names.c, C_SYMBOLS);
  const optional = <S extends Deno.ForeignLibraryInterface>(file: string, symbols: S) => {
    const missed = missing.length;
    const found = load([file, ""], symbols);
    missing.length = missed;
    return found;
  };
  const randr = optional(OPTIONAL_FILES.randr, XRANDR_SYMBOLS);
  const xinerama = optional(OPTIONAL_FILES.xinerama, XINERAMA_SYMBOLS);
  const close = () => loaded.forEach((library) => library.close());
  if (
    x === null || ext === null || damage === null || fixes === null || test === null ||
    xi === null || c === null
  ) {
    close();
    const files = missing.map(([file]) => file).join(", ");
    const packages = missing.map(([, debian]) => debian).join(" ");
    return err({
      code: "library-missing",
      message: `Install the missing X11 libraries (${files}): apt-get install ${packages}`,
    });
  }
  if (x.XSetIOErrorExitHandler === null) {
    close();
    return err({
      code: "library-missing",
      message: "Install libX11 1.7 or newer: this one would end the agent with the X server",
    });
  }
  return ok({ x, ext, damage, fixes, test, xi, c, randr, xinerama, close });
}
