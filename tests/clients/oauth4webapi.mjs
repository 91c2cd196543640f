// oauth4webapi, step by step: FAPI 2.0 with certificates, and with assertions and signed request objects.

import * as oauth from 'oauth4webapi'
import { createLocalJWKSet, decodeProtectedHeader, importJWK, jwtVerify } from 'jose'
import { createHash, X509Certificate } from 'node:crypto'

const CALLBACK = 'https://app.example.com/callback'
const GOODBYE = 'https://app.example.com/goodbye'
const thumbprint = (name) => createHash('sha256').update(new X509Certificate(pem(`${name}.pem`)).raw).digest('base64url')
const by = (certificate) => ({ [oauth.customFetch]: fetchWith(certificate) })

async function server(certificate, algorithm) {
  const issuer = new URL(given.issuer)
  const found = await oauth.discoveryRequest(issuer, { algorithm, ...by(certificate) })
  return oauth.processDiscoveryResponse(issuer, found)
}

// Must fail, with that OAuth error and status.
async function fails(promise, error, status) {
  await assert.rejects(promise, (cause) => {
    assert.deepEqual([cause.error, cause.status], [error, status], `${cause}`)
    return true
  })
}

// The life of the tokens of one client: pushed, signed in, redeemed, used, refreshed, ended.
async function life(as, client, authentication, certificate, pushed) {
  const options = by(certificate)
  const verifier = oauth.generateRandomCodeVerifier()
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
  const parameters = new URLSearchParams({
    client_id: client.client_id,
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope: 'openid email',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    claims: JSON.stringify({ id_token: { acr: { essential: true, values: ['gold'] }, name: null } }),
  })
  const par = async (request) => oauth.processPushedAuthorizationResponse(
    as, client, await oauth.pushedAuthorizationRequest(as, client, authentication, request, options),
  )
  // What FAPI 2.0 does not allow is refused before any user sees it.
  for (const [name, value] of [['response_type', 'code id_token'], ['code_challenge_method', 'plain']]) {
    const wrong = new URLSearchParams(parameters)
    wrong.set(name, value)
    const error = name === 'response_type' ? 'unsupported_response_type' : 'invalid_request'
    await assert.rejects(par(await pushed(wrong)), (cause) => {
      assert.equal(cause.status, 400, `${name}: ${cause}`)
      assert.ok([error, 'unauthorized_client'].includes(cause.error), `${name}: ${cause.error}`)
      return true
    })
  }
  const { request_uri, expires_in } = await par(await pushed(parameters))
  assert.ok(expires_in < 600)
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({ client_id: client.client_id, request_uri })
  const browser = new Browser([CALLBACK, GOODBYE])
  let page = await browser.open(url)
  page = await browser.password(page, 'alice', given.password)
  page = await browser.press(page, 'totp', { code: totp(given.totp, Date.now() / 1000 + given.later) })
  const back = await browser.press(page, 'allow')
  // A request_uri is good once.
  const twice = await browser.open(url)
  assert.ok(twice.html && twice.status >= 400, `${twice.url} ${twice.status}`)

  assert.throws(() => oauth.validateAuthResponse(as, client, back.url, oauth.generateRandomState()))
  const answered = oauth.validateAuthResponse(as, client, back.url, state)
  const redeem = (code_verifier, certificate) => oauth.authorizationCodeGrantRequest(
    as, client, authentication, answered, CALLBACK, code_verifier, by(certificate),
  )
  const response = await redeem(verifier, certificate)
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, {
    expectedNonce: nonce, requireIdToken: true,
  })
  await oauth.validateApplicationLevelSignature(as, response, options)
  assert.equal(decodeProtectedHeader(tokens.id_token).alg, client.id_token_signed_response_alg)
  const claims = oauth.getValidatedIdTokenClaims(tokens)
  assert.deepEqual([claims.sub, claims.acr, claims.name], ['a-248289761001', 'gold', 'Alice Ångström'])
  assert.deepEqual(tokens.token_type, 'bearer')

  // As a resource server sees it (RFC 9068); oauth4webapi knows no tokens that are bound to certificates.
  const keys = createLocalJWKSet(await (await fetchWith()(as.jwks_uri)).json())
  const { payload: used } = await jwtVerify(tokens.access_token, keys, {
    issuer: given.issuer, audience: 'https://api.example.com', typ: 'at+jwt',
  })
  assert.deepEqual([used.sub, used.cnf], [claims.sub, { 'x5t#S256': thumbprint(certificate) }])

  const info = async (certificate, token) => oauth.processUserInfoResponse(
    as, client, claims.sub, await oauth.userInfoRequest(as, client, token, by(certificate)),
  )
  assert.equal((await info(certificate, tokens.access_token)).email, 'alice@example.com')
  for (const other of ['ledger', undefined]) {
    await assert.rejects(info(other, tokens.access_token), (cause) => {
      assert.deepEqual([cause.status, cause.cause[0].parameters.error], [401, 'invalid_token'])
      return true
    })
  }
  const refresh = async (certificate) => {
    const response = await oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token, by(certificate))
    return oauth.processRefreshTokenResponse(as, client, response)
  }
  const [error, status] = client.client_id === 'orders' ? ['invalid_client', 401] : ['invalid_grant', 400]
  await fails(refresh('ledger'), error, status)
  await fails(refresh(undefined), error, status)
  const fresh = await refresh(certificate)
  // FAPI 2.0 section 5.3.2.1: no rotation.
  assert.ok([undefined, tokens.refresh_token].includes(fresh.refresh_token))

  const introspect = async (token) => oauth.processIntrospectionResponse(
    as, client, await oauth.introspectionRequest(as, client, authentication, token, {
      ...options, requestJwtResponse: client.introspection_signed_response_alg !== undefined,
    }),
  )
  const seen = await introspect(fresh.access_token)
  assert.deepEqual([seen.active, seen.sub, seen.cnf], [true, claims.sub, used.cnf])
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(as, client, authentication, tokens.refresh_token, options),
  )
  assert.equal((await introspect(fresh.access_token)).active, false)
  await fails(refresh(certificate), 'invalid_grant', 400)

  const end = new URL(as.end_session_endpoint)
  end.search = new URLSearchParams({ id_token_hint: tokens.id_token, post_logout_redirect_uri: GOODBYE })
  assert.equal((await browser.open(end)).url.href, GOODBYE)

  // The code again, although its tokens are gone.
  const again = await redeem(verifier, certificate)
  await fails(oauth.processAuthorizationCodeResponse(as, client, again, {
    expectedNonce: nonce, requireIdToken: true,
  }), 'invalid_grant', 400)
}

const as = await server('orders', 'oauth2')
assert.deepEqual(as.response_types_supported, ['code'])
assert.deepEqual(as.code_challenge_methods_supported, ['S256'])
assert.equal(as.authorization_response_iss_parameter_supported, true)
assert.equal(as.tls_client_certificate_bound_access_tokens, true)
assert.equal(as.require_pushed_authorization_requests, true)

const orders = { client_id: 'orders', id_token_signed_response_alg: 'PS256' }
given.later = 0
await life(as, orders, oauth.TlsClientAuth(), 'orders', (parameters) => parameters)

const key = await importJWK(given.reports.signing, 'ES256')
const reports = { client_id: 'reports', id_token_signed_response_alg: 'ES256', introspection_signed_response_alg: 'ES256' }
// Each one-time password is good once; the next one is good already.
given.later = 30
await life(as, reports, oauth.PrivateKeyJwt({ key, kid: 'signs' }), 'billing', async (parameters) => {
  const request = await oauth.issueRequestObject(as, reports, parameters, { key, kid: 'signs' })
  return new URLSearchParams({ client_id: 'reports', request })
})
process.stdout.write(JSON.stringify({ done: given.flows }), () => process.exit(0))
