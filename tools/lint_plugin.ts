const plugin: Deno.lint.Plugin = { name: "farglass", rules: {} };
export default plugin;
