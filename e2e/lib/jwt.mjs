/**
 * Tokens as an application's back end would sign them, and the crooked ones that it never would.
 *
 *   mint({ sub: 'ann', room: 'notes-*', role: 'editor' }, SECRET)
 *   mint(claims, SECRET, { header: { kid: '../../x' } })
 */
import { createHmac } from 'node:crypto'

/** @param {string | Buffer} value */
export const base64url = (value) => Buffer.from(value).toString('base64url')

export const nowSeconds = () => Math.floor(Date.now() / 1_000)

/**
 * @param {string} signingInput
 * @param {string | Buffer} secret
 * @param {string} [hash]
 */
export const hmac = (signingInput, secret, hash = 'sha256') => createHmac(hash, secret).update(signingInput).digest('base64url')

/**
 * Claims default to an editor of every room for one hour; `undefined` takes a claim away.
 *
 * @param {Record<string, unknown>} claims
 * @param {string} secret
 * @param {{ header?: Record<string, unknown>, hash?: string }} [options]
 */
export function mint (claims, secret, { header = {}, hash = 'sha256' } = {}) {
  const body = { sub: 'user-1', name: 'User One', room: '*', role: 'editor', exp: nowSeconds() + 3_600, ...claims }
  const input = `${base64url(JSON.stringify({ alg: 'HS256', typ: 'JWT', ...header }))}.${base64url(JSON.stringify(body))}`
  return `${input}.${hmac(input, secret, hash)}`
}

/**
 * A token around a payload that is not made by `JSON.stringify`: duplicate claims, broken JSON.
 *
 * @param {string} headerText
 * @param {string} payloadText
 * @param {string} secret
 */
export function mintRaw (headerText, payloadText, secret) {
  const input = `${base64url(headerText)}.${base64url(payloadText)}`
  return `${input}.${hmac(input, secret)}`
}
