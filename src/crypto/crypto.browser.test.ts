import { describeCrypto } from "./crypto-contract.ts";
import { createFastForms, createWebCrypto } from "./index.ts";

describeCrypto("WebCrypto in a browser", createWebCrypto);

const fast = createFastForms();
if (!(await fast.settled)) throw new Error("WebAssembly does not run here");
describeCrypto("WebCrypto in a browser, with a kernel in WebAssembly", (env) => createWebCrypto(env, fast));
