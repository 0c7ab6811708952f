// A certified OpenID provider that plays the token endpoint of the national platform, on loopback.
//
// It is told nothing of our client: it checks assertions, replays and proofs by its own code. Usage:
// `node provider.mjs KEYS.json`; it prints one line with its address. `POST /rotate` changes the key
// that signs vouchers, `POST /ttl?seconds=N` how long they live.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import Provider, { errors } from 'oidc-provider';

const keys = JSON.parse(readFileSync(process.argv[2], 'utf8')).keys;
const CLIENT = '9b361d49-33f4-4f1e-a88b-4e12661f2309';
const AUDIENCE = 'https://erogatore.example/rest/appalti/v1';
const publicKey = (name) => ({ ...keys[name].public_jwk, kid: keys[name].kid, use: 'sig', alg: 'RS256' });
const privateKey = (name) => ({ ...keys[name].private_jwk, kid: keys[name].kid, use: 'sig', alg: 'RS256' });
const CLAIMS = ['iss', 'sub', 'aud', 'jti', 'iat', 'exp', 'purposeId', 'digest'];
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

let seconds = 600;
let current = 0;
// What the assertion of the request asked for, by the request's context.
const asked = new WeakMap();

function strictly(ctx, claims, header) {
  const refuse = (what) => { throw new errors.InvalidClientAuth(what); };
  for (const name of Object.keys(header)) if (!['alg', 'kid', 'typ'].includes(name)) refuse(`header ${name}`);
  for (const name of Object.keys(claims)) if (!CLAIMS.includes(name)) refuse(`claim ${name}`);
  if (!/^[A-Za-z0-9_-]{43}$/.test(header.kid ?? '')) refuse('kid');
  if (!UUID.test(claims.purposeId ?? '')) refuse('purposeId');
  if (claims.digest && (claims.digest.alg !== 'SHA256' || !/^[0-9a-f]{64}$/.test(claims.digest.value))) refuse('digest');
  asked.set(ctx.req, claims);
}

function provider(issuer, signing) {
  const made = new Provider(issuer, {
    clients: [{
      client_id: CLIENT,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'RS256',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      jwks: { keys: [publicKey('eservice'), publicKey('stranger')] },
    }],
    // As the platform: an assertion that has expired has expired.
    clockTolerance: 0,
    clientAuthMethods: ['private_key_jwt'],
    jwks: { keys: signing.map(privateKey) },
    routes: { token: '/token.oauth2', jwks: '/.well-known/jwks.json' },
    enabledJWA: { dPoPSigningAlgValues: ['RS256', 'ES256'], clientAuthSigningAlgValues: ['RS256'] },
    assertJwtClientAuthClaimsAndHeader: (ctx, claims, header) => strictly(ctx, claims, header),
    features: {
      clientCredentials: { enabled: true },
      dPoP: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: '', audience: AUDIENCE, accessTokenFormat: 'jwt', accessTokenTTL: seconds, jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    extraTokenClaims: (ctx) => {
      const claims = asked.get(ctx.req);
      return {
        purposeId: claims.purposeId,
        producerId: '0e9e2dab-2e93-4f24-ba59-38d9f11198ca',
        consumerId: '69e2865e-65ab-4e48-a638-2037a9ee2ee7',
        eserviceId: 'b8c6d7ad-93fc-4eaf-9018-3cd8bf98163f',
        descriptorId: '9525a54b-9157-4b46-8976-ec66f20b7d7e',
        ...(claims.digest ? { digest: claims.digest } : {}),
      };
    },
    formats: {
      customizers: {
        jwt: (ctx, token, jwt) => {
          jwt.header = { ...jwt.header, use: 'sig' };
          jwt.payload.nbf = jwt.payload.iat;
        },
      },
    },
  });
  const expected = Object.getOwnPropertyDescriptor(made.OIDCContext.prototype, 'clientJwtAuthExpectedAudience');
  made.OIDCContext.prototype.clientJwtAuthExpectedAudience = function audiences() {
    return new Set([...(expected ? expected.value.call(this) : []), `${new URL(issuer).host}/client-assertion`]);
  };
  // Mute to the caller, as the platform; the reason stays here.
  made.use(async (ctx, next) => {
    await next();
    if (ctx.path !== '/token.oauth2') return;
    ctx.set('X-Rate-Limit-Limit', '100');
    ctx.set('X-Rate-Limit-Remaining', '99');
    ctx.set('X-Rate-Limit-Interval', '1000');
    if (ctx.status >= 400 && ctx.status < 500) {
      console.error(JSON.stringify(ctx.body));
      ctx.status = 400;
      ctx.body = { type: 'about:blank', status: 400, title: 'Bad request', errors: [{ code: '015-0008' }], correlationId: 'c' };
    }
  });
  return made;
}

// A connection at rest stays open for the whole test: none is closed under a request.
const server = createServer({ keepAliveTimeout: 600_000 });
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const [first, second] = [['pdndVoucher'], ['pdndVoucherNext', 'pdndVoucher']];
  const handlers = [provider(issuer, first).callback(), provider(issuer, second).callback()];
  server.on('request', (request, response) => {
    const url = new URL(request.url, issuer);
    if (url.pathname === '/rotate') { current = 1; response.end(); return; }
    if (url.pathname === '/ttl') { seconds = Number(url.searchParams.get('seconds')); response.end(); return; }
    handlers[current](request, response);
  });
  console.log(issuer);
});
// Ends with the test, whose end of the pipe closes.
process.stdin.on('end', () => process.exit(0)).resume();
