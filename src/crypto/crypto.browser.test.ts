import { describeCrypto } from "./crypto-contract.ts";
import { createWebCrypto } from "./index.ts";

describeCrypto("WebCrypto in a browser", createWebCrypto);
