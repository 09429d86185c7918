// Checks a signed identity as a careful upstream would, by a JOSE library that nobody here wrote.
//
// node verify.mjs KEYS_ADDRESS ISSUER AUDIENCE TYPE < TOKEN — prints the claims as JSON, or fails.
import { text } from 'node:stream/consumers';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const [keys, issuer, audience, typ] = process.argv.slice(2);
const token = (await text(process.stdin)).trim();
const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(keys)), { issuer, audience, typ });
console.log(JSON.stringify(payload));
