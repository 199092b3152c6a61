import { describeCrypto } from "./crypto-contract.ts";
import { createFastHash, createWebCrypto } from "./index.ts";

describeCrypto("WebCrypto in a browser", createWebCrypto);

const fast = createFastHash();
if (!(await fast.settled)) throw new Error("WebAssembly does not run here");
describeCrypto("WebCrypto in a browser, hashing in WebAssembly", (env) => createWebCrypto(env, fast.sha256));
