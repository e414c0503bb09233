// Loaded before a script (`node --import`): packages come from the environment that FILMGATE_CLIENT_ENV names,
// whichever folder the script lies in. So one script serves several versions, and reads like anybody's code.

import { registerHooks } from "node:module";
import { pathToFileURL } from "node:url";

const scripts = new URL(".", import.meta.url).href;
const environment = pathToFileURL(`${process.env.FILMGATE_CLIENT_ENV}/script.mjs`).href;

registerHooks({
  resolve(name, context, next) {
    const isPackage = !name.startsWith(".") && !name.startsWith("node:") && !name.startsWith("file:");
    const isOurs = context.parentURL?.startsWith(scripts) && !context.parentURL.includes("/node_modules/");
    return next(name, isPackage && isOurs ? { ...context, parentURL: environment } : context);
  },
});
