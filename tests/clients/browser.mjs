// What every script here begins with: Node.js as a browser without script, and as clients with certificates.

import { strict as assert } from 'node:assert'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent, buildConnector, fetch as undiciFetch, request } from 'undici'

// The question: where each host really listens, the PEM files' folder, and whatever the script needs.
const given = JSON.parse(readFileSync(0))

const pem = (file) => readFileSync(`${given.tls}/${file}`, 'utf8')

// The host at which nobody asks who issued a certificate. The other one lets no self-signed one through.
const SELF_SIGNED = 'self-signed.example.com'

// What connects with the certificate of that name, or without one. Every host is at 127.0.0.1, none other known.
function connecting(name) {
  const ca = pem('server.pem')
  const own = name && { cert: pem(`${name}.pem`), key: pem(`${name}.key`) }
  const [bare, certified] = [buildConnector({ ca }), buildConnector({ ca, ...own })]
  const connect = (options, done) => {
    const { hostname } = options
    const port = given.ports[hostname] ?? (hostname === 'localhost' ? options.port : undefined)
    if (!port) return done(new Error(`nobody is to connect to ${hostname}`))
    const connector = hostname !== SELF_SIGNED && name?.endsWith('kiosk') ? bare : certified
    return connector({ ...options, hostname: '127.0.0.1', port, servername: hostname }, done)
  }
  return new Agent({ connect, keepAliveTimeout: 1000 })
}

// fetch() with that certificate.
function fetchWith(name) {
  const dispatcher = connecting(name)
  return (url, init) => undiciFetch(url, { ...init, dispatcher })
}

// The code of RFC 6238 for that moment.
function totp(secret, seconds) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const bits = [...secret].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((octet) => parseInt(octet, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(seconds / 30)))
  const mac = createHmac('sha1', key).update(counter).digest()
  const code = (mac.readUInt32BE(mac.at(-1) & 15) & 0x7fffffff) % 1_000_000
  return String(code).padStart(6, '0')
}

const text = (html) => html
  .replace(/&#x([0-9a-f]+);/gi, (_, hex) => String.fromCodePoint(parseInt(hex, 16)))
  .replace(/&#(\d+);/g, (_, digits) => String.fromCodePoint(Number(digits)))
  .replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&')

const attributes = (tag) => Object.fromEntries(
  [...tag.matchAll(/([a-z-]+)(?:="([^"]*)")?/gi)].slice(1).map(([, name, value]) => [name, text(value ?? '')]),
)

// The forms of a page, each with where it goes and what it would send, by the values of its buttons.
function forms(page) {
  return [...page.html.matchAll(/<form([^>]*)>(.*?)<\/form>/gs)].map(([, head, body]) => {
    const { action, method } = attributes(`form ${head}`)
    const inputs = [...body.matchAll(/<input[^>]*>/g)].map(([tag]) => attributes(tag)).filter(({ name }) => name)
    const buttons = [...body.matchAll(/<button[^>]*>/g)].map(([tag]) => attributes(tag))
    assert.equal(method, 'post')
    return {
      action: new URL(action, page.url),
      fields: inputs.map(({ name, value }) => [name, value ?? '']),
      steps: buttons.map(({ name, value }) => (name === 'step' ? value : undefined)),
    }
  })
}

// Somebody's browser: it keeps cookies for each host and follows redirections, until a page or an address that
// belongs to a client.
class Browser {
  #jar = new Map()
  #dispatcher
  // The places at which it stops, headers that its user makes it send (by default somebody else's name), and the
  // user's own certificate.
  constructor(stops = [], headers = { 'x-user': 'mallory' }, certificate = undefined) {
    this.stops = stops
    this.headers = headers
    this.#dispatcher = connecting(certificate)
  }

  cookies(url) {
    return this.#jar.get(new URL(url).hostname) ?? new Map()
  }

  #keep(url, lines) {
    const jar = new Map(this.cookies(url))
    for (const line of lines) {
      const [pair, ...parameters] = line.split(/; */)
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
      const known = new Map(parameters.map((parameter) => {
        const [what, ...of] = parameter.split('=')
        return [what.toLowerCase(), of.join('=')]
      }))
      if (name.startsWith('__Host-')) {
        // RFC 6265bis section 4.1.3.2; browsers drop any other.
        assert.ok(known.has('secure') && known.get('path') === '/' && !known.has('domain'), line)
      }
      if (url.pathname.startsWith('/oauth2/')) assert.ok(known.has('httponly') && known.has('samesite'), line)
      const gone = known.get('max-age') === '0' || Date.parse(known.get('expires')) < Date.now()
      if (gone) jar.delete(name)
      else jar.set(name, value)
    }
    this.#jar.set(url.hostname, jar)
  }

  // One request after another: { url, status, headers, html }, or only { url, posted } of a stop.
  async open(to, form) {
    let [url, posted] = [new URL(to), form && new URLSearchParams(form)]
    for (let count = 0; count < 12; count += 1) {
      if (this.stops.some((stop) => url.href.startsWith(stop))) return { url, posted }
      const cookie = [...this.cookies(url)].map(([name, value]) => `${name}=${value}`).join('; ')
      const { statusCode, headers, body } = await request(url, {
        method: posted ? 'POST' : 'GET',
        headers: {
          ...this.headers,
          ...(cookie && { cookie }),
          ...(posted && { 'content-type': 'application/x-www-form-urlencoded' }),
          'accept': 'text/html',
          'sec-fetch-dest': 'document',
          'sec-fetch-mode': 'navigate',
        },
        body: posted?.toString(),
        dispatcher: this.#dispatcher,
      })
      this.#keep(url, [headers['set-cookie'] ?? []].flat())
      const html = await body.text()
      if (!headers.location) return { url, status: statusCode, headers, html }
      assert.ok([302, 303].includes(statusCode), `${url}: ${statusCode}`)
      ;[url, posted] = [new URL(headers.location, url), undefined]
    }
    throw new Error(`${to} leads round in circles`)
  }

  // Sends the form that has that button, with some fields filled in.
  async press(page, step, filled = {}) {
    const form = page.html && forms(page).find(({ steps }) => steps.includes(step))
    assert.ok(form, `${page.url} (${page.status}) has no button ${step}: ${page.html}`)
    for (const name of Object.keys(filled)) {
      assert.ok(form.fields.some(([known]) => known === name), `no field ${name}`)
    }
    const fields = form.fields.map(([name, value]) => [name, filled[name] ?? value])
    return this.open(form.action, step ? [...fields, ['step', step]] : fields)
  }

  // Signs in by password.
  async password(page, username, password) {
    return this.press(page, 'password', { username, password })
  }
}

// Whether a page may not be put into frames, kept, or run anything.
function isSafe(page) {
  const policy = page.headers['content-security-policy']
  for (const part of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"]) {
    assert.ok(policy.includes(part), policy)
  }
  assert.match(page.headers['cache-control'], /no-store/)
  assert.doesNotMatch(page.html, /<script(?![^>]* src=)|<style| style=| on[a-z]+=/i)
}
