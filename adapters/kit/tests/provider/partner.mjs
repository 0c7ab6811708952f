// A certified OpenID provider as a partner outside the national platform has one, on loopback, and the
// partner's system behind it.
//
// It is told nothing of our client but its secret and its public key. Usage: `node partner.mjs
// KEYS.json`; it prints one line with its address. `/api/pratiche` wants a token of the provider, for
// this system and this scope. `POST /forget` takes back every token, `POST /ttl?seconds=N` says how
// long the next ones live, `GET /given` how many there were.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import Provider, { errors } from 'oidc-provider';

const keys = JSON.parse(readFileSync(process.argv[2], 'utf8')).keys;
const RESOURCE = 'https://osservatorio.example/api';
const SCOPE = 'contratti:leggi contratti:scrivi';
const tokens = new Map();
let seconds = 600;
let given = 0;

// The tokens that were given, by their names.
class Memory {
  async upsert(id, payload) { tokens.set(id, payload); given += 1; }
  async find(id) { return tokens.get(id); }
  async destroy(id) { tokens.delete(id); }
}
// Assertions that were seen, which are good once.
const seen = new Map();
class Seen {
  async upsert(id, payload) { seen.set(id, payload); }
  async find(id) { return seen.get(id); }
  async destroy(id) { seen.delete(id); }
}

function provider(issuer) {
  const usual = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: SCOPE };
  return new Provider(issuer, {
    clients: [
      {
        ...usual,
        client_id: 'raccordo:segreto',
        client_secret: 'pa rola+%/:non-da-scrivere',
        token_endpoint_auth_method: 'client_secret_basic',
      },
      {
        ...usual,
        client_id: 'raccordo-chiave',
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'RS256',
        jwks: { keys: [{ ...keys.eservice.public_jwk, kid: 'raccordo-2026', use: 'sig', alg: 'RS256' }] },
      },
    ],
    adapter: (name) => (name === 'ClientCredentials' ? new Memory() : new Seen()),
    clientAuthMethods: ['client_secret_basic', 'private_key_jwt'],
    jwks: { keys: [{ ...keys.pdndVoucher.private_jwk, kid: 'p', use: 'sig', alg: 'RS256' }] },
    // One that neither client may ask for.
    scopes: [...SCOPE.split(' '), 'contratti:firma'],
    ttl: { ClientCredentials: () => seconds },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => [],
        getResourceServerInfo: (ctx, resource) => {
          if (resource !== RESOURCE) throw new errors.InvalidTarget();
          return { scope: SCOPE, audience: RESOURCE, accessTokenFormat: 'opaque', accessTokenTTL: seconds };
        },
      },
    },
  });
}

// A connection at rest stays open for the whole test: none is closed under a request.
const server = createServer({ keepAliveTimeout: 600_000 });
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const made = provider(issuer);
  const handler = made.callback();
  server.on('request', async (request, response) => {
    const url = new URL(request.url, issuer);
    const says = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    if (url.pathname === '/ttl') { seconds = Number(url.searchParams.get('seconds')); says(200, {}); return; }
    if (url.pathname === '/forget') { tokens.clear(); says(200, {}); return; }
    if (url.pathname === '/given') { says(200, { given }); return; }
    if (url.pathname !== '/api/pratiche') { handler(request, response); return; }
    const [scheme, value] = (request.headers.authorization ?? '').split(' ');
    const token = scheme === 'Bearer' && await made.ClientCredentials.find(value ?? '');
    if (!token || token.isExpired || token.aud !== RESOURCE) { says(401, {}); return; }
    says(token.scope === 'contratti:leggi' ? 200 : 403, { client: token.clientId });
  });
  console.log(issuer);
});
// Ends with the test, whose end of the pipe closes.
process.stdin.on('end', () => process.exit(0)).resume();
