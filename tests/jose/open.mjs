// Opens what was encrypted, with jose; what that does not do any more (RSA1_5), with node:crypto alone.

import { strict as assert } from 'node:assert'
import {
  constants, createDecipheriv, createHmac, createPrivateKey, privateDecrypt, timingSafeEqual,
} from 'node:crypto'
import { readFileSync } from 'node:fs'
import { compactDecrypt, compactVerify, importJWK } from 'jose'

const base64url = (text) => Buffer.from(text, 'base64url')

// RFC 8017 section 7.2.2, by hand: Node.js no longer takes this padding off by itself. Nobody watches here.
function rsa1_5(key, encrypted) {
  const block = privateDecrypt(
    { key: createPrivateKey({ key, format: 'jwk' }), padding: constants.RSA_NO_PADDING }, encrypted,
  )
  assert.equal(block.readUInt16BE(), 2)
  const end = block.indexOf(0, 2)
  assert.ok(end >= 10)
  return block.subarray(end + 1)
}

function content(enc, cek, header, iv, ciphertext, tag) {
  if (enc.endsWith('GCM')) {
    const gcm = createDecipheriv(`aes-${cek.length * 8}-gcm`, cek, iv).setAAD(header).setAuthTag(tag)
    return Buffer.concat([gcm.update(ciphertext), gcm.final()])
  }
  const half = cek.length / 2
  const bits = Buffer.alloc(8)
  bits.writeBigUInt64BE(BigInt(header.length) * 8n)
  const mac = createHmac(`sha${cek.length * 8}`, cek.subarray(0, half))
  for (const part of [header, iv, ciphertext, bits]) mac.update(part)
  assert.ok(timingSafeEqual(mac.digest().subarray(0, half), tag))
  const cbc = createDecipheriv(`aes-${half * 8}-cbc`, cek.subarray(half), iv)
  return Buffer.concat([cbc.update(ciphertext), cbc.final()])
}

async function decrypted({ jwe, key }) {
  const [header, ...rest] = jwe.split('.')
  const protectedHeader = JSON.parse(base64url(header))
  if (protectedHeader.alg !== 'RSA1_5') {
    return compactDecrypt(jwe, await importJWK(key, protectedHeader.alg))
  }
  const [encrypted, ...parts] = rest.map(base64url)
  const cek = rsa1_5(key, encrypted)
  const plaintext = content(protectedHeader.enc, cek, Buffer.from(header), ...parts)
  return { plaintext, protectedHeader }
}

const { signer, tokens } = JSON.parse(readFileSync(0))
const verifier = await importJWK(signer, 'ES256')
const answer = []
for (const token of tokens) {
  const { plaintext, protectedHeader } = await decrypted(token)
  const { payload } = await compactVerify(plaintext, verifier, { algorithms: ['ES256'] })
  answer.push({ header: protectedHeader, claims: JSON.parse(Buffer.from(payload)) })
}
process.stdout.write(JSON.stringify(answer))
