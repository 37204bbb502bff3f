/// <reference lib="deno.ns" />
import { BAD_INPUT, INPUT_CASES } from "../tests/support/codec_cases.ts";
import { testCodec } from "../tests/support/codec_checks.ts";
import { decodeInput, encodeInput } from "./input_codec.ts";

testCodec({ name: "input", encode: encodeInput, decode: decodeInput }, INPUT_CASES, BAD_INPUT);
