/**
 * The house's own lint rules: pure rooms stay pure, imports point one way, vendor libraries stay
 * behind their fence. The type gate (check_pure.ts) is the stronger half of purity; these rules
 * catch what compiles anyway (`Date.now()`, `Math.random()`) and name the place.
 */
import {
  FENCES,
  FFI_FENCE,
  isPure,
  isTest,
  mayImport,
  packageOf,
  PURE_PACKAGES,
  roomOf,
} from "./rooms.ts";

const ROOT = new URL("../", import.meta.url).pathname;

/** `Date.now()` and the like: legal TypeScript under `lib: ["esnext"]`, but not pure. */
const IMPURE_MEMBERS: Readonly<Record<string, readonly string[] | "all">> = {
  Date: ["now"],
  Math: ["random"],
  Intl: ["DateTimeFormat"],
  Atomics: ["wait", "waitAsync"],
  performance: "all",
  crypto: "all",
  Deno: "all",
  process: "all",
  globalThis: "all",
};
const IMPURE_CALLS: readonly string[] = [
  ...["setTimeout", "setInterval", "clearTimeout", "clearInterval", "setImmediate"],
  ...["queueMicrotask", "fetch", "structuredClone", "Date", "require"],
];

type ImportNode =
  | Deno.lint.ImportDeclaration
  | Deno.lint.ExportNamedDeclaration
  | Deno.lint.ExportAllDeclaration
  | Deno.lint.ImportExpression;

const relative = (filename: string): string | null => {
  const path = filename.replace(/^file:\/\//, "");
  return path.startsWith(ROOT) ? path.slice(ROOT.length) : null;
};

/** The path, relative to the repository, that a relative specifier names. */
function resolve(from: string, specifier: string): string | null {
  if (!/^\.{1,2}\//.test(specifier)) return null;
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

/** Calls `check` for each static and dynamic import or re-export with a literal specifier. */
function onImports(
  check: (node: Deno.lint.Node, specifier: string, typeOnly: boolean) => void,
): Deno.lint.LintVisitor {
  const visit = (node: ImportNode) => {
    const { source } = node;
    if (source === null || source.type !== "Literal" || typeof source.value !== "string") return;
    const kind = node.type === "ImportDeclaration"
      ? node.importKind
      : node.type === "ImportExpression"
      ? "value"
      : node.exportKind;
    check(node, source.value, kind === "type");
  };
  return {
    ImportDeclaration: visit,
    ExportNamedDeclaration: visit,
    ExportAllDeclaration: visit,
    ImportExpression: visit,
  };
}

const pure: Deno.lint.Rule = {
  create(context) {
    const path = relative(context.filename);
    if (path === null || !isPure(roomOf(path))) return {};
    const report = (node: Deno.lint.Node, what: string) =>
      context.report({
        node,
        message: `Pure code uses ${what}`,
        hint: "Take the value as an argument, or give an effect back to the shell",
      });
    return {
      ...onImports((node, specifier) => {
        const name = packageOf(specifier);
        if (specifier.startsWith("node:")) report(node, `"${specifier}"`);
        else if (name !== null && !PURE_PACKAGES.includes(name)) report(node, `"${name}"`);
      }),
      MemberExpression(node) {
        if (node.object.type !== "Identifier" || node.computed) return;
        const members = Object.hasOwn(IMPURE_MEMBERS, node.object.name)
          ? IMPURE_MEMBERS[node.object.name]
          : undefined;
        if (members === undefined || node.property.type !== "Identifier") return;
        const property = node.property.name;
        if (members === "all" || members.includes(property)) {
          report(node, `${node.object.name}.${property}`);
        }
      },
      CallExpression(node) {
        if (node.callee.type === "Identifier" && IMPURE_CALLS.includes(node.callee.name)) {
          report(node, `${node.callee.name}()`);
        }
      },
      NewExpression(node) {
        if (
          node.callee.type === "Identifier" && node.callee.name === "Date" &&
          node.arguments.length === 0
        ) report(node, "new Date()");
      },
    };
  },
};

const oneWayImports: Deno.lint.Rule = {
  create(context) {
    const path = relative(context.filename);
    const room = path === null ? null : roomOf(path);
    if (path === null || room === null) return {};
    return onImports((node, specifier) => {
      const report = (message: string, hint: string) => context.report({ node, message, hint });
      if (/^@farglass\/(?!protocol$)/.test(specifier)) {
        return report(`"${specifier}" is imported by its workspace name`, "Use a relative path");
      }
      const target = resolve(path, specifier);
      if (target === null) return;
      // Beside the product's tests, a fixture or a part of the test support is nobody's room.
      const targetRoom = roomOf(target);
      if (targetRoom === null || targetRoom === room) return;
      if (!mayImport(room).includes(targetRoom)) {
        return report(
          `"${room}" imports "${targetRoom}"`,
          "Imports point one way: protocol, core, adapters, main",
        );
      }
      if (targetRoom === "protocol" && !path.startsWith("protocol/")) {
        report("The protocol is imported by path", 'Import "@farglass/protocol"');
      }
    });
  },
};

const vendorFence: Deno.lint.Rule = {
  create(context) {
    const path = relative(context.filename);
    if (path === null || isTest(path)) return {};
    const report = (node: Deno.lint.Node, what: string, inside: RegExp) =>
      context.report({
        node,
        message: `${what} outside its adapter`,
        hint: `It is allowed inside ${inside.source} only`,
      });
    return {
      ...onImports((node, specifier) => {
        const name = packageOf(specifier);
        const fence = FENCES.find((entry) => entry.vendor === name);
        if (fence === undefined || fence.inside.test(path)) return;
        report(node, `"${fence.vendor}" is imported`, fence.inside);
      }),
      MemberExpression(node) {
        if (node.object.type !== "Identifier" || node.object.name !== "Deno") return;
        if (node.property.type !== "Identifier" || node.property.name !== "dlopen") return;
        if (!FFI_FENCE.test(path)) report(node, "A native library is opened", FFI_FENCE);
      },
    };
  },
};

const plugin: Deno.lint.Plugin = {
  name: "farglass",
  rules: {
    pure,
    "one-way-imports": oneWayImports,
    "vendor-fence": vendorFence,
  },
};
export default plugin;
