// The keys of the client `reports`: it signs its assertions and opens what is encrypted to it.

import { exportJWK, generateKeyPair } from 'jose'

async function pair(alg, kid, use) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { crv: 'P-256', extractable: true })
  const members = { kid, use, alg }
  return { private: { ...await exportJWK(privateKey), ...members }, public: { ...await exportJWK(publicKey), ...members } }
}

process.stdout.write(JSON.stringify([
  await pair('ES256', 'signs', 'sig'), await pair('ECDH-ES+A256KW', 'opens', 'enc'),
]))
