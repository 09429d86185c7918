// A certified OpenID provider (nobody here wrote it) for the suite to sign in at.
//
// node provider.mjs PORT REDIRECT_URI [ISSUER] — prints `listening` when it serves. Its store is in memory, and its key
// is made at the start: a restart really loses tokens, and really changes keys. Any login name is accepted by its own
// development login page.
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

const [port, redirectUri] = [Number(process.argv[2]), process.argv[3]];
const issuer = process.argv[4] ?? `http://127.0.0.1:${port}`;

const { privateKey } = await generateKeyPair('RS256', { extractable: true });
const key = { ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig' };

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'candor',
      client_secret: 'peers-only-secret',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    },
  ],
  claims: { openid: ['sub'], profile: ['name', 'groups'], email: ['email'] },
  // Names and groups belong into the ID token, as Entra puts them there.
  conformIdTokenClaims: false,
  cookies: { keys: ['peers-only-cookie-key'] },
  findAccount: (_ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `${id} of the peers`, email: `${id}@example.test`, groups: ['staff'] }),
  }),
  jwks: { keys: [key] },
  pkce: { required: () => true },
  ttl: { AccessToken: 300, AuthorizationCode: 60, Grant: 3600, IdToken: 300, Interaction: 600, Session: 3600 },
});

provider.listen(port, '127.0.0.1', () => console.log('listening'));
