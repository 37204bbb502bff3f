import { parse, TomlError } from "smol-toml";
import { err, ok, type Result } from "@farglass/protocol";

/** Reads a TOML file; undefined when there is none, else an error in one line. */
export async function readTomlFile(path: string): Promise<Result<unknown, string>> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return ok(undefined);
    return err("Check the file and its permissions: it cannot be read");
  }
  try {
    return ok(parse(text));
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The message continues with an excerpt, which may hold a secret.
    const [first] = error.message.split("\n");
    const what = first.replace("Invalid TOML document: ", "");
    return err(`Correct line ${error.line}: ${what}`);
  }
}
