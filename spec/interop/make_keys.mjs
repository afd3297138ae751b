// SPDX-License-Identifier: MIT
// Key pairs for one run of the specs, as one JSON object of PEMs: node make_keys.mjs.
import { generateKeyPairSync } from "node:crypto";

function pair(kind, options) {
  const { publicKey, privateKey } = generateKeyPairSync(kind, options);
  return {
    public: publicKey.export({ format: "pem", type: "spki" }),
    private: privateKey.export({ format: "pem", type: "pkcs8" }),
  };
}

console.log(JSON.stringify({
  ed25519: pair("ed25519"),
  ec: pair("ec", { namedCurve: "P-256" }),
  rsa: pair("rsa", { modulusLength: 2048 }),
}));
