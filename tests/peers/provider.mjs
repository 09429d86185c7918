// A certified OpenID provider (nobody here wrote it) for the suite to sign in at.
//
// node provider.mjs PORT REDIRECT_URI [ISSUER] [--claims-at-userinfo] — prints `listening` when it serves. Its store is
// in memory, and its key is made at the start: a restart really loses tokens, and really changes keys. Any login name is
// accepted by its own development login page. Refresh tokens are taken once: whoever shows one again loses the grant.
//
// Afterwards each line that it prints is an event, as JSON, and each line that it reads is a command, which is answered by
// the event `done`:
//   advance SECONDS        its clock goes on by so much
//   disable NAME           that account is gone, until `enable NAME`
//   revoke NAME            what that account granted is taken back
//   withhold               its token endpoint does what it is asked, and answers after `answer` only
//   replay                 shows the refresh token again that was spent last, as a thief would
import { createInterface } from 'node:readline';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

const [port, redirectUri] = [Number(process.argv[2]), process.argv[3]];
const [issuer = `http://127.0.0.1:${port}`] = process.argv.slice(4).filter((word) => !word.startsWith('--'));
const claimsAtUserinfo = process.argv.includes('--claims-at-userinfo');
const gateway = redirectUri.replace(/\/callback\/.*$/, '');
const secret = 'peers-only-secret';

const { privateKey } = await generateKeyPair('RS256', { extractable: true });
const key = { ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig' };

const machine = Date.now;
let ahead = 0;
Date.now = () => machine() + ahead;

const gone = new Set();
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'candor',
      client_secret: secret,
      redirect_uris: [redirectUri],
      post_logout_redirect_uris: [`${gateway}/logout`],
      backchannel_logout_uri: `${gateway}/logout/backchannel`,
      backchannel_logout_session_required: true,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    },
    {
      client_id: 'robot',
      client_secret: secret,
      token_endpoint_auth_method: 'client_secret_post',
      redirect_uris: [],
      grant_types: ['client_credentials'],
      response_types: [],
    },
  ],
  // The suite's own client posts forms as browsers do, saying where they are from.
  clientBasedCORS: () => true,
  claims: { openid: ['sub'], profile: ['name', 'groups'], email: ['email'] },
  // Names and groups belong into the ID token, as Entra puts them there.
  conformIdTokenClaims: claimsAtUserinfo,
  cookies: { keys: ['peers-only-cookie-key'] },
  features: {
    backchannelLogout: { enabled: true },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx, resource) => ({ scope: '', audience: resource, accessTokenFormat: 'opaque' }),
    },
    revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
  },
  // The gateway that it tells of a logout is on this machine, where it would tell nobody by itself.
  fetch: (url, { dispatcher: _, ...options }) => fetch(url, options),
  findAccount: (_ctx, id) =>
    gone.has(id)
      ? undefined
      : {
          accountId: id,
          claims: () => ({ sub: id, name: `${id} of the peers`, email: `${id}@example.test`, groups: ['staff'] }),
        },
  jwks: { keys: [key] },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  ttl: {
    AccessToken: 300,
    AuthorizationCode: 60,
    ClientCredentials: 3600,
    Grant: 86400,
    IdToken: 300,
    Interaction: 600,
    RefreshToken: 86400,
    Session: 86400,
  },
});

const say = (event, more) => console.log(JSON.stringify({ event, ...more }));
provider.on('grant.error', (_ctx, error) => {
  if (error.error_detail === 'refresh token already used') say('reused');
});
provider.on('backchannel.success', (_ctx, _client, account) => say('logout-token-taken', { account }));
provider.on('backchannel.error', (_ctx, error, _client, account) => {
  say('logout-token-refused', { account, why: String(error) });
});

const grants = new Map();
provider.on('grant.saved', (grant) => grants.set(grant.jti, grant));

let answer, withheld, spent;
provider.use(async (ctx, next) => {
  await next();
  if (ctx.path !== '/token') return;
  const { params = {}, entities = {} } = ctx.oidc ?? {};
  const account = entities.Account?.accountId ?? entities.RefreshToken?.accountId;
  const asked = { grant: params.grant_type, account, error: ctx.body?.error };
  if (params.grant_type === 'refresh_token' && !asked.error) spent = params.refresh_token;
  say('token', asked);
  await withheld;
  say('answered', asked);
});

const commands = {
  advance: (seconds) => (ahead += Number(seconds) * 1000),
  disable: (name) => gone.add(name),
  enable: (name) => gone.delete(name),
  revoke: (name) => Promise.all([...grants.values()].filter((of) => of.accountId === name).map((of) => of.destroy())),
  withhold: () => {
    withheld = new Promise((resolve) => (answer = resolve));
  },
  answer: () => {
    answer();
    withheld = undefined;
  },
  replay: () =>
    fetch(`http://127.0.0.1:${port}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`candor:${secret}`)}` },
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: spent }),
    }),
};
provider.listen(port, '127.0.0.1', () => console.log('listening'));
if (!process.stdin.isTTY) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, ...words] = line.split(' ');
    await commands[name](...words);
    say('done');
  }
}
