// A browser goes to applications that mod_auth_openidc guards.

const GOODBYE = `${given.wiki}/goodbye.html`
const who = (page) => {
  assert.equal(page.status, 200, `${page.url}: ${page.html}`)
  return page.html.trim().replace(/<\/?p>/g, '').split('|').map(text)
}

// Nobody gets in without signing in, and whoever gives up does not either.
const stranger = new Browser([`${given.wiki}/signed-in`])
let page = await stranger.open(`${given.wiki}/who.shtml`)
assert.equal(page.url.origin + page.url.pathname, `${given.issuer}/authorize`)
for (const [name, value] of [['response_type', 'code'], ['response_mode', 'query'], ['code_challenge_method', 'S256']]) {
  assert.equal(page.url.searchParams.get(name), value)
}
isSafe(page)
page = await stranger.password(page, 'alice', 'wrong')
page = await stranger.press(page, 'cancel')
assert.equal(page.url.searchParams.get('error'), 'access_denied')
stranger.stops = []
page = await stranger.open(page.url)
assert.equal(page.url.pathname, '/oauth2/authorize')
page = await stranger.open(`${given.wiki}/who.shtml`)
assert.equal(page.url.pathname, '/oauth2/authorize')

// The wiki: code in the query, PKCE, a secret.
const browser = new Browser()
page = await browser.open(`${given.wiki}/who.shtml`)
page = await browser.password(page, 'alice', given.password)
assert.equal(page.url.href, `${given.wiki}/who.shtml`)
assert.deepEqual(who(page), ['alice', 'alice', 'Alice Example', '1'])

// The ledger wants a second factor: code id_token as a form, a certificate in place of a secret, consent.
page = await browser.open(`${given.ledger}/who.shtml`)
assert.equal(page.url.searchParams.get('response_type'), 'code id_token')
page = await browser.press(page, 'totp', { code: totp(given.totp, Date.now() / 1000) })
assert.match(page.html, /The ledger/)
page = await browser.press(page, 'allow')
assert.equal(forms(page)[0].action.href, `${given.ledger}/signed-in`)
page = await browser.press(page, undefined)
assert.equal(page.url.href, `${given.ledger}/who.shtml`)
assert.deepEqual(who(page), ['alice', 'alice', 'Alice Example', 'gold'])

// Both know her still, and without the cookie of theirs she is signed in again without a page.
for (const application of [given.wiki, given.ledger]) {
  assert.equal(who(await browser.open(`${application}/who.shtml`))[0], 'alice')
}

// Signing out at the wiki ends the session at certbound, which tells the ledger.
page = await browser.open(`${given.wiki}/signed-in?logout=${encodeURIComponent(GOODBYE)}`)
assert.equal(page.url.href, GOODBYE)
assert.equal(page.html, 'Goodbye')
page = await browser.open(`${given.wiki}/who.shtml`)
assert.equal(page.url.pathname, '/oauth2/authorize')
assert.ok(page.html.includes('name="password"'))
const until = Date.now() + 10_000
do {
  page = await browser.open(`${given.ledger}/who.shtml`)
  await new Promise((resolve) => setTimeout(resolve, 50))
} while (page.url.origin === given.ledger && Date.now() < until)
assert.equal(page.url.pathname, '/oauth2/authorize')
assert.ok(page.html.includes('name="password"'))
process.stdout.write(JSON.stringify('done'), () => process.exit(0))
