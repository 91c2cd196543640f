// openid-client runs the whole life of a user's tokens.

import * as client from 'openid-client'
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, importJWK } from 'jose'
import { createHash, X509Certificate } from 'node:crypto'

const CALLBACK = 'https://app.example.com/callback'
const GOODBYE = 'https://app.example.com/goodbye'
const thumbprint = (name) => createHash('sha256').update(new X509Certificate(pem(`${name}.pem`)).raw).digest('base64url')

// A client as openid-client has it, by the metadata that the server publishes.
async function known(clientId, authentication, certificate, metadata = {}, algorithm = 'oidc') {
  return client.discovery(new URL(given.issuer), clientId, metadata, authentication, {
    algorithm,
    [client.customFetch]: fetchWith(certificate),
    execute: [client.enableNonRepudiationChecks],
  })
}

// What a client must remember of a request.
async function remembered(config, more = {}) {
  const verifier = client.randomPKCECodeVerifier()
  const checks = { pkceCodeVerifier: verifier, expectedState: client.randomState(), expectedNonce: client.randomNonce() }
  const parameters = {
    redirect_uri: CALLBACK,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    ...more,
  }
  return { checks, parameters }
}

// Must fail, with that OAuth error and status.
async function fails(promise, error, status) {
  await assert.rejects(promise, (cause) => {
    assert.equal(cause.error ?? cause.cause?.[0]?.parameters?.error, error, `${cause} ${JSON.stringify(cause)}`)
    assert.equal(cause.status, status, `${cause}`)
    return true
  })
}

// What openid-client makes of the WWW-Authenticate of a resource.
async function refusedAtResource(promise, error) {
  await assert.rejects(promise, (cause) => {
    assert.equal(cause.status, 401, `${cause}`)
    const [challenge] = cause.cause
    assert.equal(challenge.scheme, 'bearer')
    assert.equal(challenge.parameters.error, error)
    return true
  })
}

const as = (config, certificate) => {
  config[client.customFetch] = fetchWith(certificate)
  return config
}

const flows = {
  // PAR, tls_client_auth, password with TOTP for a level, consent, and all that becomes of the tokens.
  async pki() {
    const config = await known('orders', client.TlsClientAuth(), 'orders', { id_token_signed_response_alg: 'PS256' })
    assert.equal(config.serverMetadata().issuer, given.issuer)
    const { checks, parameters } = await remembered(config, {
      scope: 'openid profile email', acr_values: 'gold', ui_locales: 'en', max_age: '600',
    })
    // Pushed by nobody else, and nothing that was not pushed.
    await fails(client.buildAuthorizationUrlWithPAR(as(config, 'billing'), parameters), 'invalid_client', 401)
    const browser = new Browser([CALLBACK, GOODBYE])
    const unpushed = await browser.open(client.buildAuthorizationUrl(config, parameters))
    assert.equal(unpushed.url.searchParams.get('error'), 'invalid_request', `${unpushed.url}`)
    const url = await client.buildAuthorizationUrlWithPAR(as(config, 'orders'), parameters)
    assert.deepEqual([...url.searchParams.keys()].sort(), ['client_id', 'request_uri'])

    let page = await browser.open(url)
    isSafe(page)
    page = await browser.password(page, 'alice', 'wrong')
    assert.equal(page.url.pathname, '/oauth2/authorize')
    page = await browser.password(page, 'alice', given.password)
    // Her password alone is silver.
    page = await browser.press(page, 'totp', { code: '000000' })
    page = await browser.press(page, 'totp', { code: totp(given.totp, Date.now() / 1000) })
    isSafe(page)
    assert.match(page.html, /Orders of app\.example\.com/)
    const back = await browser.press(page, 'allow')
    assert.equal(back.url.searchParams.get('iss'), given.issuer)

    // Whoever mixes up answers is not served.
    const other = new URL(back.url)
    other.searchParams.set('iss', 'https://as.example.com')
    await assert.rejects(client.authorizationCodeGrant(config, other, checks), { code: 'OAUTH_INVALID_RESPONSE' })
    await assert.rejects(
      client.authorizationCodeGrant(config, back.url, { ...checks, expectedState: 'another' }),
      { code: 'OAUTH_INVALID_RESPONSE' },
    )
    const tokens = await client.authorizationCodeGrant(config, back.url, { ...checks, maxAge: 600 })
    const claims = tokens.claims()
    assert.equal(claims.sub, 'a-248289761001')
    assert.equal(claims.acr, 'gold')
    assert.deepEqual(claims.amr.toSorted(), ['mfa', 'otp', 'pwd'])
    assert.ok(Math.abs(Date.now() / 1000 - claims.auth_time) < 60)
    assert.equal(decodeProtectedHeader(tokens.id_token).alg, 'PS256')
    const bound = decodeJwt(tokens.access_token)
    assert.equal(bound.cnf['x5t#S256'], thumbprint('orders'))
    assert.equal(bound.acr, 'gold')
    assert.equal(bound.aud, 'https://api.example.com')

    const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
    assert.equal(info.name, 'Alice Ångström')
    assert.equal(info.email, 'alice@example.com')
    assert.equal(info.phone_number, undefined)
    for (const certificate of ['billing', undefined]) {
      await refusedAtResource(
        client.fetchUserInfo(as(config, certificate), tokens.access_token, claims.sub), 'invalid_token',
      )
      await fails(client.refreshTokenGrant(as(config, certificate), tokens.refresh_token), 'invalid_client', 401)
    }
    const fresh = await client.refreshTokenGrant(as(config, 'orders'), tokens.refresh_token)
    assert.notEqual(fresh.access_token, tokens.access_token)
    assert.equal(decodeJwt(fresh.access_token).cnf['x5t#S256'], thumbprint('orders'))
    assert.equal(fresh.claims().auth_time, claims.auth_time)
    assert.equal(fresh.claims().sub, claims.sub)

    const seen = await client.tokenIntrospection(config, fresh.access_token)
    assert.equal(seen.active, true)
    assert.equal(seen.cnf['x5t#S256'], thumbprint('orders'))
    assert.deepEqual([seen.sub, seen.client_id, seen.acr], [claims.sub, 'orders', 'gold'])
    await client.tokenRevocation(config, fresh.access_token)
    assert.equal((await client.tokenIntrospection(config, fresh.access_token)).active, false)
    await refusedAtResource(client.fetchUserInfo(config, fresh.access_token, claims.sub), 'invalid_token')

    // Somebody who is signed in, and has agreed, is not asked again; whoever logs out is signed in no more.
    const again = await remembered(config, { scope: 'openid profile email', prompt: 'none' })
    const silent = await browser.open(await client.buildAuthorizationUrlWithPAR(config, again.parameters))
    const second = await client.authorizationCodeGrant(config, silent.url, again.checks)
    assert.equal(second.claims().auth_time, claims.auth_time)
    const end = client.buildEndSessionUrl(config, {
      id_token_hint: second.id_token, post_logout_redirect_uri: GOODBYE, state: 'so long',
    })
    assert.equal(end.pathname, '/oauth2/logout')
    const left = await browser.open(end)
    assert.deepEqual([left.url.href.split('?')[0], ...left.url.searchParams], [GOODBYE, ['state', 'so long']])
    for (const ended of [fresh, second]) {
      await fails(client.refreshTokenGrant(config, ended.refresh_token ?? tokens.refresh_token), 'invalid_grant', 400)
      assert.equal((await client.tokenIntrospection(config, ended.access_token)).active, false)
    }
    const last = await remembered(config, { scope: 'openid', prompt: 'none' })
    const gone = await browser.open(await client.buildAuthorizationUrlWithPAR(config, last.parameters))
    assert.equal(gone.url.searchParams.get('error'), 'login_required')
    await assert.rejects(client.authorizationCodeGrant(config, gone.url, last.checks), { error: 'login_required' })
  },

  // self_signed_tls_client_auth at the host of mtls_endpoint_aliases; userinfo as a JWT.
  async self_signed() {
    const config = await known('kiosk', client.TlsClientAuth(), 'kiosk', {
      use_mtls_endpoint_aliases: true,
      id_token_signed_response_alg: 'ES256',
      userinfo_signed_response_alg: 'PS256',
    }, 'oauth2')
    const server = config.serverMetadata()
    for (const [name, alias] of Object.entries(server.mtls_endpoint_aliases)) {
      assert.equal(alias, server[name].replace('as.example.com', 'self-signed.example.com'))
    }
    assert.ok(server.mtls_endpoint_aliases.token_endpoint)
    const { checks, parameters } = await remembered(config, { scope: 'openid email', login_hint: 'alice' })
    const browser = new Browser([CALLBACK])
    let page = await browser.open(client.buildAuthorizationUrl(config, parameters))
    assert.match(page.html, /name="username"[^>]*value="alice"/)
    const back = await browser.password(page, 'alice', given.password)
    await fails(client.authorizationCodeGrant(as(config, 'otherkiosk'), back.url, checks), 'invalid_client', 401)
    const tokens = await client.authorizationCodeGrant(as(config, 'kiosk'), back.url, checks)
    assert.equal(tokens.claims().acr, 'silver')
    assert.equal(decodeJwt(tokens.access_token).cnf['x5t#S256'], thumbprint('kiosk'))
    const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
    assert.deepEqual([info.iss, info.aud, info.email], [given.issuer, 'kiosk', 'alice@example.com'])
    await refusedAtResource(
      client.fetchUserInfo(as(config, 'otherkiosk'), tokens.access_token, info.sub), 'invalid_token',
    )
    await fails(client.refreshTokenGrant(config, tokens.refresh_token), 'invalid_client', 401)
    await client.refreshTokenGrant(as(config, 'kiosk'), tokens.refresh_token)
    // A code is good once, and what it gave ends where it comes again.
    await fails(client.authorizationCodeGrant(config, back.url, checks), 'invalid_grant', 400)
    await fails(client.refreshTokenGrant(config, tokens.refresh_token), 'invalid_grant', 400)
    await refusedAtResource(client.fetchUserInfo(config, tokens.access_token, info.sub), 'invalid_token')
  },

  // private_key_jwt, tokens bound to the certificate beside it, code id_token by form_post, everything encrypted.
  async hybrid() {
    const { signing, decrypting } = given.reports
    const key = await importJWK(signing, 'ES256')
    const authentication = client.PrivateKeyJwt({ key, kid: signing.kid })
    const config = await known('reports', authentication, 'billing', {
      id_token_signed_response_alg: 'ES256',
      userinfo_signed_response_alg: 'RS256',
    })
    client.useCodeIdTokenResponseType(config)
    const secret = await importJWK(decrypting, 'ECDH-ES+A256KW')
    client.enableDecryptingResponses(config, ['A256GCM'], { key: secret, alg: 'ECDH-ES+A256KW', kid: decrypting.kid })
    for (const response_mode of ['form_post', 'fragment', undefined]) {
      const { checks, parameters } = await remembered(config, {
        scope: 'openid email', ...(response_mode && { response_mode }),
      })
      const browser = new Browser([CALLBACK])
      let page = await browser.open(client.buildAuthorizationUrl(config, parameters))
      page = await browser.password(page, 'alice', given.password)
      let current
      if (response_mode === 'form_post') {
        assert.match(page.html, /<script src="[^"]*submit\.js/)
        const sent = await browser.press(page, undefined)
        assert.equal(sent.url.href, CALLBACK)
        current = new Request(CALLBACK, { method: 'POST', body: sent.posted })
        assert.equal(decodeProtectedHeader(sent.posted.get('id_token')).alg, 'ECDH-ES+A256KW')
      } else {
        assert.equal(page.url.search, '')
        assert.match(page.url.hash, /^#.*id_token=/)
        current = page.url
      }
      const tokens = await client.authorizationCodeGrant(config, current, checks)
      const { email, sub, acr } = tokens.claims()
      assert.deepEqual([sub, acr, email], ['a-248289761001', 'silver', undefined])
      const header = decodeProtectedHeader(tokens.id_token)
      assert.deepEqual([header.alg, header.enc, header.kid, header.cty],
        ['ECDH-ES+A256KW', 'A256GCM', decrypting.kid, 'JWT'])
      const info = await client.fetchUserInfo(config, tokens.access_token, sub)
      assert.equal(info.email, 'alice@example.com')
      assert.equal(decodeJwt(tokens.access_token).cnf['x5t#S256'], thumbprint('billing'))
      // The assertion authenticates; the certificate holds the tokens.
      await fails(client.refreshTokenGrant(as(config, 'orders'), tokens.refresh_token), 'invalid_grant', 400)
      await fails(client.refreshTokenGrant(as(config, undefined), tokens.refresh_token), 'invalid_grant', 400)
      await refusedAtResource(client.fetchUserInfo(config, tokens.access_token, sub), 'invalid_token')
      const fresh = await client.refreshTokenGrant(as(config, 'billing'), tokens.refresh_token)
      assert.equal((await client.fetchUserInfo(config, fresh.access_token, sub)).sub, sub)
    }
  },

  // A public client on the user's machine: any port, unbound tokens, rotation; a reused one ends all of them.
  async native() {
    const config = await known('native', client.None(), undefined, {})
    const redirect_uri = 'http://127.0.0.1:49152/callback'
    const { checks, parameters } = await remembered(config, { scope: 'openid offline_access', redirect_uri })
    const browser = new Browser([redirect_uri])
    const { code_challenge, code_challenge_method, ...unproved } = parameters
    const refused = await browser.open(client.buildAuthorizationUrl(config, unproved))
    assert.equal(refused.url.searchParams.get('error'), 'invalid_request')
    let page = await browser.open(client.buildAuthorizationUrl(config, parameters))
    page = await browser.password(page, 'alice', given.password)
    const denied = await browser.press(page, 'deny')
    await assert.rejects(client.authorizationCodeGrant(config, denied.url, checks), { error: 'access_denied' })
    page = await browser.open(client.buildAuthorizationUrl(config, parameters))
    const back = await browser.press(page, 'allow')
    await fails(client.authorizationCodeGrant(config, back.url, {
      ...checks, pkceCodeVerifier: client.randomPKCECodeVerifier(),
    }), 'invalid_grant', 400)
    page = await browser.open(client.buildAuthorizationUrl(config, parameters))
    const again = page.html ? await browser.press(page, 'allow') : page
    const tokens = await client.authorizationCodeGrant(config, again.url, checks)
    assert.equal(decodeJwt(tokens.access_token).cnf, undefined)
    // What a script of another origin may read, by which it learns that the token is no good.
    const { userinfo_endpoint } = config.serverMetadata()
    const headers = { authorization: 'Bearer wrong', origin: 'https://app.example.com' }
    const refusal = await fetchWith()(userinfo_endpoint, { headers })
    assert.match(refusal.headers.get('www-authenticate'), /^Bearer .*error="invalid_token"/)
    assert.equal(refusal.headers.get('access-control-allow-origin'), '*')
    assert.equal(refusal.headers.get('access-control-expose-headers'), 'WWW-Authenticate')
    const fresh = await client.refreshTokenGrant(config, tokens.refresh_token)
    assert.notEqual(fresh.refresh_token, tokens.refresh_token)
    await fails(client.refreshTokenGrant(config, tokens.refresh_token), 'invalid_grant', 400)
    await fails(client.refreshTokenGrant(config, fresh.refresh_token), 'invalid_grant', 400)
  },

  // A user's certificate signs in, for a level; a certificate of nobody's does not.
  async certificate() {
    const config = await known('portal', client.ClientSecretBasic(given.portal))
    const ask = async (more) => {
      const { checks, parameters } = await remembered(config, { scope: 'openid', ...more })
      return [client.buildAuthorizationUrl(config, parameters), checks]
    }
    const [url, checks] = await ask({ acr_values: 'gold' })
    const stranger = await new Browser([CALLBACK], {}, 'billing').open(url)
    assert.match(stranger.html, /name="password"/)
    assert.doesNotMatch(stranger.html, /value="certificate"/)
    const browser = new Browser([CALLBACK], {}, 'ledger')
    const back = await browser.open(url)
    const tokens = await client.authorizationCodeGrant(config, back.url, checks)
    const { sub, acr, amr } = tokens.claims()
    assert.deepEqual([sub, acr, amr], ['carol', 'gold', ['swk']])
    // The user's certificate holds the user's session, and no tokens of the client.
    assert.equal(decodeJwt(tokens.access_token).cnf, undefined)
    assert.equal((await client.fetchUserInfo(config, tokens.access_token, sub)).sub, sub)
    // Asked to sign in again she says so herself.
    const [again, last] = await ask({ prompt: 'login' })
    const returned = await browser.press(await browser.open(again), 'certificate')
    const second = await client.authorizationCodeGrant(config, returned.url, last)
    assert.ok(second.claims().auth_time >= tokens.claims().auth_time)
    // Somebody else's session is not hers because she has a certificate.
    const [mine, ours] = await ask({ id_token_hint: tokens.id_token })
    const alice = new Browser([CALLBACK])
    const refused = await alice.password(await alice.open(mine), 'alice', given.password)
    assert.equal(refused.url.searchParams.get('error'), 'login_required', `${refused.url} ${refused.html}`)
    await assert.rejects(client.authorizationCodeGrant(config, refused.url, ours), { error: 'login_required' })
  },

  // Two tabs at once, a form sent twice, many silent requests and refreshes at the same moment.
  async at_once() {
    const config = await known('portal', client.ClientSecretBasic(given.portal))
    const browser = new Browser([CALLBACK])
    const ask = async (more) => {
      const { checks, parameters } = await remembered(config, { scope: 'openid', ...more })
      return { checks, url: client.buildAuthorizationUrl(config, parameters) }
    }
    const tabs = await Promise.all([ask(), ask()])
    const pages = []
    for (const { url } of tabs) pages.push(await browser.open(url))
    for (const [index, { checks }] of tabs.entries()) {
      const back = await browser.password(pages[index], 'alice', given.password)
      assert.ok(!back.html, `tab ${index}: ${back.html}`)
      const tokens = await client.authorizationCodeGrant(config, back.url, checks)
      assert.equal(tokens.claims().sub, 'a-248289761001')
    }
    const twice = await browser.password(pages[0], 'alice', given.password)
    assert.equal(twice.status, 400, `${twice.url}`)

    const requests = await Promise.all(Array.from({ length: 12 }, () => ask({ prompt: 'none' })))
    const answers = await Promise.all(requests.map(({ url }) => browser.open(url)))
    const all = await Promise.all(answers.map((back, index) => {
      assert.equal(back.status, undefined, `${index}: ${back.status} ${back.html}`)
      return client.authorizationCodeGrant(config, back.url, requests[index].checks)
    }))
    const [{ refresh_token }] = all
    const refreshed = await Promise.all(Array.from({ length: 10 }, () => client.refreshTokenGrant(config, refresh_token)))
    assert.equal(new Set(refreshed.map(({ access_token }) => access_token)).size, 10)
  },

  // Signing out where nothing shows that the user wants to: with no hint, and with one that only the client can open.
  async logout() {
    const { signing, decrypting } = given.reports
    const key = await importJWK(signing, 'ES256')
    const config = await known('reports', client.PrivateKeyJwt({ key, kid: signing.kid }), 'billing', {
      id_token_signed_response_alg: 'ES256', userinfo_signed_response_alg: 'RS256',
    })
    client.useCodeIdTokenResponseType(config)
    const secret = await importJWK(decrypting, 'ECDH-ES+A256KW')
    client.enableDecryptingResponses(config, ['A256GCM'], { key: secret, alg: 'ECDH-ES+A256KW', kid: decrypting.kid })
    const browser = new Browser([CALLBACK, GOODBYE])
    const { checks, parameters } = await remembered(config, { scope: 'openid email' })
    let page = await browser.open(client.buildAuthorizationUrl(config, parameters))
    page = await browser.password(page, 'alice', given.password)
    const tokens = await client.authorizationCodeGrant(config, page.url, checks)
    for (const hint of [{}, { id_token_hint: tokens.id_token }]) {
      const end = client.buildEndSessionUrl(config, { post_logout_redirect_uri: GOODBYE, state: 'a&b', ...hint })
      page = await browser.open(end)
      isSafe(page)
      await browser.press(page, 'stay')
      await client.refreshTokenGrant(config, tokens.refresh_token)
    }
    const elsewhere = client.buildEndSessionUrl(config, { post_logout_redirect_uri: 'https://evil.example/' })
    const warned = await browser.open(elsewhere)
    assert.equal(warned.status, 400)
    const left = await browser.press(page, 'logout')
    assert.deepEqual([left.url.origin + left.url.pathname, ...left.url.searchParams], [GOODBYE, ['state', 'a&b']])
    await fails(client.refreshTokenGrant(config, tokens.refresh_token), 'invalid_grant', 400)
  },

  // Parameters that clients add: a resource, less scope at refresh, another sign-in, what cannot be had.
  async parameters() {
    const config = await known('orders', client.TlsClientAuth(), 'orders', { id_token_signed_response_alg: 'PS256' })
    const browser = new Browser([CALLBACK])
    const ask = async (more) => {
      const { checks, parameters } = await remembered(config, { scope: 'openid profile email', ...more })
      return { checks, url: await client.buildAuthorizationUrlWithPAR(config, parameters) }
    }
    let { checks, url } = await ask({ resource: 'https://api.example.com' })
    let page = await browser.open(url)
    page = await browser.password(page, 'alice', given.password)
    page = await browser.press(page, 'allow')
    const tokens = await client.authorizationCodeGrant(config, page.url, checks)
    assert.equal(decodeJwt(tokens.access_token).aud, 'https://api.example.com')
    const less = await client.refreshTokenGrant(config, tokens.refresh_token, { scope: 'openid' })
    assert.equal(less.scope ?? 'openid', 'openid')
    assert.equal(decodeJwt(less.access_token).scope, 'openid')
    assert.deepEqual(Object.keys(await client.fetchUserInfo(config, less.access_token, tokens.claims().sub)), ['sub'])
    await fails(client.refreshTokenGrant(config, tokens.refresh_token, { scope: 'openid admin' }), 'invalid_scope', 400)
    await fails(ask({ resource: 'https://elsewhere.example.com' }), 'invalid_target', 400)
    await fails(ask({ scope: 'openid admin' }), 'invalid_scope', 400)
    await fails(ask({ redirect_uri: 'https://app.example.com/callback/' }), 'invalid_request', 400)
    await fails(ask({ response_mode: 'web_message' }), 'invalid_request', 400)

    // Signed in a moment ago is not now.
    await new Promise((resolve) => setTimeout(resolve, 1100))
    for (const more of [{ prompt: 'login' }, { max_age: '0' }]) {
      ({ checks, url } = await ask(more))
      page = await browser.open(url)
      page = await browser.password(page, 'alice', given.password)
      const again = await client.authorizationCodeGrant(config, page.url, { ...checks, ...(more.max_age && { maxAge: 1 }) })
      assert.ok(again.claims().auth_time > tokens.claims().auth_time)
      assert.equal(again.claims().sid, tokens.claims().sid)
    }
    // What is asked for although nobody can have it: a wish goes without, a must does not.
    const cannot = { acr: { essential: true, value: 'platinum' } };
    ({ url } = await ask({ claims: JSON.stringify({ id_token: cannot }) }))
    page = await browser.open(url)
    assert.equal(page.url.searchParams.get('error'), 'unmet_authentication_requirements');
    ({ checks, url } = await ask({ acr_values: 'platinum' }))
    page = await browser.open(url)
    assert.ok((await client.authorizationCodeGrant(config, page.url, checks)).claims().acr !== 'platinum')
  },

  // Requests that are as long as clients make them, which travel with the user through every page.
  async long() {
    const config = await known('portal', client.ClientSecretBasic(given.portal))
    for (const length of [1000, 1500, 2000, 2500, 3000]) {
      const { checks, parameters } = await remembered(config, { scope: 'openid', state: 'x'.repeat(length) })
      const browser = new Browser([CALLBACK])
      const page = await browser.open(client.buildAuthorizationUrl(config, parameters))
      const back = await browser.password(page, 'alice', given.password)
      assert.equal(back.status, undefined, `${length}: ${back.html}`)
      const tokens = await client.authorizationCodeGrant(config, back.url, { ...checks, expectedState: parameters.state })
      assert.equal(tokens.claims().sub, 'a-248289761001')
    }
  },

  // A web application with a secret, whose users the web server knows: no page at all.
  async header() {
    const config = await known('portal', client.ClientSecretBasic(given.portal), undefined, {})
    const { checks, parameters } = await remembered(config, { scope: 'openid' })
    const url = client.buildAuthorizationUrl(config, parameters)
    const outsider = await new Browser([CALLBACK], { 'x-user': 'bob' }).open(url)
    assert.equal(outsider.status, 401, 'the web server asks for a password')
    const authorization = `Basic ${Buffer.from(`bob:${given.password}`).toString('base64')}`
    const browser = new Browser([CALLBACK, GOODBYE], { authorization, 'x-user': 'mallory' })
    const back = await browser.open(url)
    const tokens = await client.authorizationCodeGrant(config, back.url, checks)
    assert.equal(tokens.claims().sub, 'bob')
    // The certificate that was merely there binds nothing.
    assert.equal(decodeJwt(tokens.access_token).cnf, undefined)
    const info = await client.fetchUserInfo(config, tokens.access_token, 'bob')
    assert.deepEqual(info, { sub: 'bob' })
    const left = await browser.open(client.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token, post_logout_redirect_uri: GOODBYE,
    }))
    assert.equal(left.url.href, GOODBYE)
    // Whoever logged out is not signed in again behind their back, though the web server still knows them.
    const { checks: last, parameters: once } = await remembered(config, { scope: 'openid' })
    const page = await browser.open(client.buildAuthorizationUrl(config, once))
    assert.ok(page.html, 'a page asks')
    const returned = await browser.press(page, 'header')
    assert.equal((await client.authorizationCodeGrant(config, returned.url, last)).claims().sub, 'bob')
    // A name in other letters than ASCII's, which web servers pass on as they are.
    const zoe = new Browser([CALLBACK], { authorization: `Basic ${Buffer.from(`zoë:${given.password}`).toString('base64')}` })
    const { checks: hers, parameters: asked } = await remembered(config, { scope: 'openid' })
    const came = await zoe.open(client.buildAuthorizationUrl(config, asked))
    assert.equal((await client.authorizationCodeGrant(config, came.url, hers)).claims().sub, 'z-1')
  },
}

for (const flow of given.flows) {
  try {
    await flows[flow]()
  } catch (cause) {
    cause.message = `${flow}: ${cause.message}`
    throw cause
  }
}
process.stdout.write(JSON.stringify({ done: given.flows }), () => process.exit(0))
